#!/bin/bash
# npm run demo: everything from nothing to an incremental backup of a busy volume, in a virtual machine.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
echo "demo: building the core, the tools and the kernel module"
npm run -s build >/dev/null
exec npx --no-install tsx tests/vm/demo.ts "$@"
