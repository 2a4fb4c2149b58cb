/**
 * npm run bench [-- PART…] [6.1|6.12]: measures, and prints each figure beside its baseline of the same run, and the aim.
 *
 *   help      how long the tools take to tell their help
 *   index     walking the index of a device of 16 TiB
 *   update    update-img against copying block by block and dd, on files
 *   update-vm the same on a real snapshot device, in a virtual machine
 *   targets   restore points beside qemu-img convert and rbd import-diff, on files and in a Ceph cluster of this machine
 *   tracking  what tracking costs, in a virtual machine
 *   delay     the same on a slow disk
 *   latency   how long single writes wait beside a large file's
 *   freeze    how long a write waits while a volume's mode is switched
 *   chart     nothing: draws what was measured last, in docs/performance; only where it is named
 *
 * An aim that is missed is told and is no failure: how fast a machine is, is not ours to test.
 */
import { kernel } from '../vm/kernels.js';
import { chart } from './chart.js';
import { delay } from './delay.js';
import { freeze } from './freeze.js';
import { help } from './help.js';
import { indexWalk } from './index-walk.js';
import { latency } from './latency.js';
import { targets } from './targets.js';
import { tracking } from './tracking.js';
import { update } from './update.js';
import { updateVm } from './update-vm.js';

// Each Node that starts would read these certificates first, which may take twice as long as all else of its start.
delete process.env.NODE_EXTRA_CA_CERTS;
const args = process.argv.slice(2);
const release = args.find((word) => /^\d/.test(word)) ?? '6.1';
const parts: Readonly<Record<string, () => Promise<boolean>>> = {
  help,
  index: indexWalk,
  update,
  targets,
  'update-vm': async () => updateVm(await kernel(release)),
  tracking: async () => tracking(await kernel(release)),
  delay: async () => delay(await kernel(release)),
  latency: async () => latency(await kernel(release)),
  freeze: async () => freeze(await kernel(release)),
  chart,
};
const named = args.filter((word) => word !== release);
const unknown = named.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`bench: Cannot run ${unknown}: expected ${Object.keys(parts).join(', ')}, or a kernel`);
  process.exit(2);
}
for (const [name, run] of Object.entries(parts)) {
  if (named.length > 0 ? !named.includes(name) : name === 'chart') continue;
  if (!(await run())) process.exitCode = 1;
}
