#!/bin/bash
# npm test and npm run test:all: set-up, then tests/run.ts with these options, whose last line is the sum of all.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh "$@"
exec npx --no-install tsx tests/run.ts "$@"
