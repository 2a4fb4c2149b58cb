/** How long single writes wait while a large file is written back to the same volume. */
import type { Kernel } from '../vm/kernels.js';
import { measure } from './measure.js';
import type { Part } from './part.js';

const OURS = ['fresh', 'copied', 'incremental'];

export const latencyPart: Part = {
  name: 'latency',
  title: '4 KiB writes by O_DIRECT and O_DSYNC, one at a time, while a large file is written back',
  states: {
    none: 'no module',
    fresh: 'fresh snapshot',
    copied: 'blocks already copied',
    incremental: 'incremental',
    'dm-fresh': 'dm-snapshot, fresh',
  },
  kinds: {
    plain: 'plain disk',
    delayed: 'disk that takes 8 ms longer for each request, 64 requests at once at most',
  },
  fields: [
    { name: 'longest', title: 'longest ms', digits: 1, withRatio: true },
    { name: 'p99', title: 'p99 ms', digits: 1, withRatio: true },
    { name: 'count', title: 'writes', digits: 0 },
    { name: 'milliseconds', title: 'file ms', digits: 0 },
  ],
  aims: [
    { field: 'longest', states: ['fresh'], to: 'none', atMost: 2 },
    { field: 'longest', states: ['fresh'], to: 'dm-fresh', atMost: 1 },
    { field: 'p99', states: OURS, to: 'none', atMost: 1.5 },
  ],
  chart: [
    { field: 'longest', title: 'longest write, ms', as: 'number' },
    { field: 'p99', title: '99th percentile, ms', as: 'number' },
  ],
};

/** Measures and prints. FS: the filesystem; BULK_MIB: size of the file that is written back. Returns false if the run failed. */
export async function latency(on: Kernel): Promise<boolean> {
  const fs = process.env.FS ?? 'ext4';
  const bulk = Number(process.env.BULK_MIB ?? 1024);
  // The file, its copies, and as much again.
  const mib = 3 * bulk;
  const passed = await measure(latencyPart, {
    on,
    about: `${fs} of ${mib} MiB, ${bulk} MiB written back`,
    fs,
    diskMib: [mib, mib],
    env: { BULK_MIB: String(bulk) },
    limitSeconds: 3600,
  });
  console.log(`
"longest" and "p99" are of the writes that began or ended while the file was written and synced, "writes" is their number, "file ms"
how long the file took; "ratio" is to "no module" in the same round. The copies of dm-snapshot go to a second disk of the same kind.`);
  return passed;
}
