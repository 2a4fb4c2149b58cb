#!/bin/bash
# sparse and checkpatch on kmod-stub/, shim and compile probes apart: neither may have anything to say.
# checkpatch comes from Debian's linux-source-6.1, downloaded once into .cache/checkpatch.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$PWD/.cache/checkpatch

fetch_checkpatch() {
	local work
	work=$(mktemp -d)
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download linux-source-6.1 &&
		dpkg-deb --fsys-tarfile ./*.deb | tar x ./usr/src/linux-source-6.1.tar.xz &&
		tar xf usr/src/linux-source-6.1.tar.xz --strip-components=2 --occurrence=1 \
			linux-source-6.1/scripts/checkpatch.pl linux-source-6.1/scripts/spelling.txt linux-source-6.1/scripts/const_structs.checkpatch)
	mkdir -p "$cache"
	mv "$work"/{checkpatch.pl,spelling.txt,const_structs.checkpatch} "$cache/"
	rm -rf "$work"
}

release=$(npx --no-install tsx tests/vm/fetch-kernels.ts 6.1)
[ -e "$cache/checkpatch.pl" ] || fetch_checkpatch
bad=0

# C=2: sparse checks what is built already, too. The tests build with the same flags (tests/vm/build.ts).
C=2 KCFLAGS="-Werror -g0" npm run -s build:kmod -- "$release" >build/sparse.log 2>&1 || { tail -20 build/sparse.log; exit 1; }
if grep -E 'warning:|error:' build/sparse.log; then bad=1; fi

# Names that are not ours (wasm3) are as they are, and what is
# generated is not written by hand.
mapfile -t sources < <(git ls-files 'kmod-stub/*.c' 'kmod-stub/*.h' ':!kmod-stub/shim' ':!kmod-stub/probes' ':!kmod-stub/layout.h')
said=$(perl "$cache/checkpatch.pl" --no-tree --strict --terse --quiet --show-types --ignore CAMELCASE \
	-f "${sources[@]}" | grep -v "^total:" || true)
rm -f .checkpatch-camelcase.*
[ -z "$said" ] || { echo "$said"; bad=1; }
exit $bad
