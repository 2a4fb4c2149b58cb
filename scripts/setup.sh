#!/bin/bash
# Makes a fresh Debian 12 machine with Node 20 and npm ready: Debian packages, node_modules. Does nothing that is done.
# Without root, names the command that installs what is missing, and ends with 1. With --all, also what npm run test:all needs;
# with --ceph, also what the tests on a Ceph cluster need; with --packages, what npm run package needs and no more.
set -euo pipefail
cd "$(dirname "$0")/.."

case $PWD in *:*) echo "npm cannot run programs below a path with a colon: move $PWD" >&2; exit 1 ;; esac

# For building: the module, the C library, the C programs of the tests; man and zsh, for the tests of the manual; spin, for the
# checked model.
# For the Debian packages.
# For the test bed: a machine to boot, and what runs inside it.
BUILD=(make perl gcc clang-format shellcheck gcc-12 libc6-dev binutils bc libelf1 libssl3 zlib1g xz-utils zstd sparse g++ pkgconf libfuse3-dev fuse3 man-db zsh spin)
PACKAGES=(build-essential debhelper dh-dkms libfuse3-dev lintian pkgconf)
CEPH=(ceph-mon ceph-osd ceph-common radosgw qemu-block-extra)
BED=(git cryptsetup-bin bmap-tools qemu-utils libnbd-bin openssh-server attr acl qemu-system-x86 busybox-static cpio kmod udev iproute2 procps fio e2fsprogs xfsprogs dmsetup fdisk mount util-linux)

case " $* " in
	*" --packages "*) BUILD=() BED=() ;;
	*" --all "*) BED+=(qemu-system-arm debootstrap chromium dosfstools efibootmgr grub-efi-amd64-bin ovmf restic borgbackup python3-pyfuse3 "${CEPH[@]}") ;;
	*" --ceph "*) BED+=("${CEPH[@]}") ;;
esac

missing=()
for package in "${BUILD[@]}" "${PACKAGES[@]}" "${BED[@]}"; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
known() { apt-cache show --no-all-versions linux-image-amd64 >/dev/null 2>&1; }

if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" != 0 ]; then
	echo "These Debian packages are missing; install them with:" >&2
	echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
# The kernels to test on are downloaded by name, so apt's lists are needed even if nothing is to be installed.
if [ ${#missing[@]} -gt 0 ] || { [ ${#BED[@]} -gt 0 ] && ! known; }; then
	[ "$(id -u)" = 0 ] || { echo "apt knows no packages; run: sudo apt-get update" >&2; exit 1; }
	echo "setup: apt-get update"
	apt-get -qq update
fi
if [ ${#missing[@]} -gt 0 ]; then
	echo "setup: installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >/dev/null
fi
# A link is another tree's, which npm ci would empty.
if [ ! -L node_modules ] && { [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; }; then
	echo "setup: npm ci"
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules/.package-lock.json
fi
