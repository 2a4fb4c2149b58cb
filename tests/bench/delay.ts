/** What tracking costs on a slow disk, as ratios to no module: requests take so long there that CPU time hardly counts. */
import type { Kernel } from '../vm/kernels.js';
import { measure } from './measure.js';
import type { Part } from './part.js';

const SMALL = ['qd1', 'qd4', 'qd16', 'qd64'];

export const delayPart: Part = {
  name: 'delay',
  title: 'Writes on a disk that takes 8 ms longer for each request',
  states: {
    none: 'no module',
    fresh: 'fresh snapshot',
    copied: 'blocks already copied',
    incremental: 'incremental',
    'dm-fresh': 'dm-snapshot, fresh',
  },
  kinds: {
    qd1: '4 KiB random writes, depth 1',
    qd4: '4 KiB random writes, depth 4',
    qd16: '4 KiB random writes, depth 16',
    qd64: '4 KiB random writes, depth 64',
    sequential: '1 MiB sequential writes, depth 4',
  },
  fields: [{ name: 'perSecond', title: 'per second', digits: 0, withRatio: true }],
  aims: [
    { field: 'perSecond', states: ['fresh'], to: 'none', kinds: SMALL, atLeast: 0.48 },
    { field: 'perSecond', states: ['fresh'], to: 'none', kinds: ['sequential'], atLeast: 0.45 },
    { field: 'perSecond', states: ['copied', 'incremental'], to: 'none', atLeast: 0.98 },
  ],
  chart: [{ field: 'perSecond', title: 'writes per second, as a ratio to no module', as: 'ratio' }],
};

/** Measures and prints. FS: the filesystem. Returns false if the run failed. */
export async function delay(on: Kernel): Promise<boolean> {
  const fs = process.env.FS ?? 'ext4';
  const passed = await measure(delayPart, {
    on,
    about: `${fs} of 1 GiB on dm-delay`,
    fs,
    diskMib: [1024, 1024],
    limitSeconds: 3600,
  });
  console.log(`
"per second" counts operations of the size named; "ratio" is to "no module" in the same round. A write to a fresh block needs one
read of its old content before it, so 0.5 is the limit. The copies of dm-snapshot go to a second disk, which is as slow.`);
  return passed;
}
