#!/bin/bash
# The generated files must be what the tables in host/ say: generate them again and compare.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git grep -lI 'Generated from host/' -- '*.h' 'assembly/*.ts')
[ ${#files[@]} -gt 0 ] || { echo "no generated file found"; exit 1; }
before=$(sha256sum "${files[@]}")
npm run -s layout
[ "$before" = "$(sha256sum "${files[@]}")" ] || { echo "out of date: run npm run layout and commit"; git diff --stat -- "${files[@]}"; exit 1; }
echo "${files[*]}"
