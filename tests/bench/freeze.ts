/** How long a write waits while a volume is switched between snapshot and incremental, by the size of the volume. */
import type { Kernel } from '../vm/kernels.js';
import { measure } from './measure.js';
import type { Part } from './part.js';

const OURS = ['setup', 'incremental', 'snapshot'];

export const freezePart: Part = {
  name: 'freeze',
  title: '4 KiB writes by O_DIRECT and O_DSYNC, one at a time, across each switch of the volume',
  states: {
    none: 'idle, no request',
    setup: 'setup-snapshot',
    incremental: 'transition-to-incremental',
    snapshot: 'transition-to-snapshot',
    'dm-setup': 'dm-snapshot, set-up',
  },
  kinds: { '1G': 'volume of 1 GiB', '4T': 'volume of 4 TiB', '16T': 'volume of 16 TiB' },
  fields: [
    { name: 'longest', title: 'longest ms', digits: 1, withRatio: true },
    { name: 'count', title: 'writes', digits: 0 },
    { name: 'milliseconds', title: 'request ms', digits: 0 },
    { name: 'frozen', title: 'frozen ms', digits: 0 },
  ],
  aims: [
    { field: 'longest', states: OURS, to: 'none', atMost: 2 },
    { field: 'longest', states: OURS, kinds: ['4T', '16T'], toKind: '1G', atMost: 2 },
  ],
  chart: [{ field: 'longest', title: 'longest write, ms', as: 'number' }],
};

/** Measures and prints. SIZES: of the volumes. Returns false if the run failed. */
export async function freeze(on: Kernel): Promise<boolean> {
  const passed = await measure(freezePart, {
    on,
    about: 'sparse xfs',
    fs: 'xfs',
    diskMib: [8192, 1024],
    env: { SIZES: process.env.SIZES ?? Object.keys(freezePart.kinds).join(' ') },
    limitSeconds: 3600,
  });
  console.log(`
"longest" is of the writes that began or ended during the request, "writes" is their number, "request ms" how long the request took;
"ratio" is to the longest of the same writer in the same round while nothing is tracked. "frozen ms" is how long our request kept the
filesystem frozen; what more its longest write waited is of the filesystem and the disk.`);
  return passed;
}
