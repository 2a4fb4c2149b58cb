#!/bin/bash
# npm test: set-up, build, all checks, unit tests, and the scenarios in virtual machines. Ends with the sum of all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
bash scripts/setup.sh || exit 1
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# check WHAT COMMAND...: one test
check() {
	local what=$1 began=$SECONDS
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "pass  $what  ($((SECONDS - began)) s)"
	else
		failed=$((failed + 1))
		echo "FAIL  $what"
		tail -40 "$log"
	fi
}

# suite WHAT COMMAND...: a command that ends with "N passed, N failed", which are added up
suite() {
	local what=$1 status=0 line
	shift
	echo "== $what"
	"$@" 2>&1 | tee "$log" || status=1
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		[ $status = 0 ] || [ "${BASH_REMATCH[2]}" != 0 ] || failed=$((failed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL  $what ended without its totals"
	fi
}

check "build" npm run -s build
check "generated layouts are up to date" bash scripts/check-layout.sh
check "types" npm run -s typecheck
check "formatters and linters" bash scripts/lint.sh
check "files: at most 400 lines, kernel versions in compat.h only" bash scripts/check-files.sh
check "sparse and checkpatch on kmod-stub" bash scripts/check-kmod.sh
suite "unit tests" npm run -s test:unit
suite "virtual machines" npm run -s test:vm -- "$@"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
