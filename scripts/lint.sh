#!/bin/bash
# Formatters and linters: biome for TypeScript, clang-format for C, shellcheck for scripts. With --fix, rewrites what a formatter can.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
bad=0

# wasm3's own names and generated files are as they are.
mapfile -t c_files < <(git ls-files '*.c' '*.h' ':!kmod-stub/shim' | xargs -d '\n' grep -L 'Generated from')
# Scenarios are sourced by bash and have no first line that says so.
mapfile -t scenarios < <(git ls-files 'tests/vm/scenarios/*.sh' 'tests/runner/guests/*.sh' 'tests/vm/engine/*.sh' 'tests/bench/*.sh' tests/vm/guest/lib.sh)
mapfile -t scripts < <(git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*[ \/](ba)?sh$/ { print FILENAME } FNR == 1 { nextfile }')

if [ "${1-}" = --fix ]; then
	npx --no-install biome check --write --log-level=error || bad=1
	clang-format -i "${c_files[@]}" || bad=1
else
	npx --no-install biome check --log-level=warn || bad=1
	clang-format --dry-run --Werror "${c_files[@]}" || bad=1
fi
shellcheck --shell=bash "${scenarios[@]}" || bad=1
shellcheck "${scripts[@]}" || bad=1
exit $bad
