#!/bin/bash
# House rules that a script can check.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
# What is generated from a table is as long as the table.
while read -r file; do
	! head -3 "$file" | grep -q 'Generated from' || continue
	lines=$(wc -l <"$file")
	[ "$lines" -le 400 ] || { echo "$file: $lines lines, at most 400"; bad=1; }
done < <(git ls-files '*.c' '*.h' '*.ts' '*.mjs' '*.sh' '*.md' '*.S')
if git grep -nE '^\s*#\s*(if|elif).*(LINUX_VERSION_CODE|KERNEL_VERSION)' -- kmod-stub ':!kmod-stub/compat'; then
	echo "kernel versions are compared outside kmod-stub/compat"
	bad=1
fi
if git grep -nE '\bengine_(ask|call)\(' -- kmod-stub ':!kmod-stub/core'; then
	echo "the core is called past kmod-stub/core/calls.h"
	bad=1
fi
if git grep -nE '\b(TODO|FIXME|XXX)\b' -- . ':!scripts/check-files.sh' ':!package-lock.json'; then
	echo "something is left to do"
	bad=1
fi
while read -r licence; do
	[ -e "LICENSES/$licence.txt" ] || { echo "no text of the licence $licence in LICENSES/"; bad=1; }
done < <(git grep -hoE 'SPDX-License-Identifier: [A-Za-z0-9.+-]+' | sed 's/.*: //' | sort -u)
exit $bad
