/** What tracking costs on a disk that answers at once, as ratios to no module; also where the time goes. */
import type { Kernel } from '../vm/kernels.js';
import { measure } from './measure.js';
import type { Part } from './part.js';

const WRITES = ['qd1', 'qd32', 'sequential'];

export const trackingPart: Part = {
  name: 'tracking',
  title: 'Writes, and reads of the snapshot, on a disk that answers at once',
  states: {
    none: 'no module',
    fresh: 'fresh snapshot',
    copied: 'blocks already copied',
    incremental: 'incremental',
    'fresh-bare': 'fresh, no live checkpoints',
    'incremental-bare': 'incremental, no live checkpoints',
    'dm-fresh': 'dm-snapshot, fresh',
    'dm-copied': 'dm-snapshot, copied',
  },
  kinds: {
    qd1: '4 KiB random writes, depth 1',
    qd32: '4 KiB random writes, depth 32',
    sequential: '1 MiB sequential writes',
    read: '1 MiB sequential reads of the snapshot',
  },
  fields: [
    { name: 'perSecond', title: 'per second', digits: 0, withRatio: true },
    { name: 'cpuMicroseconds', title: 'CPU µs', digits: 0 },
    { name: 'reads', title: 'reads', digits: 2 },
    { name: 'writes', title: 'writes', digits: 2 },
    { name: 'blocks', title: 'blocks', digits: 1 },
  ],
  aims: [
    { field: 'perSecond', states: ['fresh'], to: 'dm-fresh', kinds: WRITES, atLeast: 1 },
    { field: 'perSecond', states: ['copied', 'incremental'], to: 'none', kinds: WRITES, atLeast: 0.9 },
    { field: 'perSecond', states: ['fresh', 'copied'], to: 'none', kinds: ['read'], atLeast: 0.85 },
    // What live checkpoints may cost.
    { field: 'perSecond', states: ['incremental'], to: 'incremental-bare', kinds: ['qd1'], atLeast: 0.93 },
    {
      field: 'perSecond',
      states: ['incremental'],
      to: 'incremental-bare',
      kinds: ['qd32', 'sequential'],
      atLeast: 0.97,
    },
  ],
  chart: [{ field: 'perSecond', title: 'operations per second, as a ratio to no module', as: 'ratio' }],
};

/** Measures and prints. Returns false if the run failed. */
export async function tracking(on: Kernel): Promise<boolean> {
  const passed = await measure(trackingPart, {
    on,
    about: 'ext4 of 1 GiB',
    fs: 'ext4',
    diskMib: [1024, 1024],
    limitSeconds: 2400,
  });
  console.log(`
"per second" counts operations of the size named; "ratio" is to "no module" in the same round. CPU time is that of the whole
machine, per operation, emulated: on real hardware it is many times less, while the disk (a file in this machine's memory)
is as fast as it gets, so CPU time weighs more here than anywhere else. Reads, writes and blocks of 4 KiB are those of the
volume's disk, per operation: a fresh block costs one read of the old content and one write of the copy, which neighbours
share where they are copied together; dm-snapshot's copies go to a second disk and are not counted. What the ratio loses
and the disk's columns do not explain is CPU time: see its column.

Where an aim may be missed. Sequential writes on a fresh snapshot: all three transfers of a block (old content, copy, new content)
go through the one disk that the volume has, two of dm-snapshot's; and the core gives each of the 256 blocks of a write its index
entry. Reads of copied blocks: the core looks up the position of each of the 256 blocks, which an emulated CPU takes some 70 µs for.`);
  return passed;
}
