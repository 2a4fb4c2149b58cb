/**
 * A volume that changes by a rule, and its restore points. Run by itself, makes points until it is killed.
 *
 *   point-run.ts FOLDER SEED
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { randomNumbers } from '../../../host/copy/compare.js';
import type { BlockRun } from '../../../host/cow/runs.js';
import { toPieces } from '../../../host/cow/runs.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { OpenFile } from '../../../host/system/files.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { copyToPoint } from '../../../host/targets/copy-to-point.js';
import { requireKeepRules, toRemove } from '../../../host/targets/keep.js';
import { Qcow2Target } from '../../../host/targets/qcow2.js';
import type { Point, Target } from '../../../host/targets/target.js';

/** Not a whole number of blocks. */
export const VOLUME_BYTES = 12 * 1048576 + 512;
const NR_BLOCKS = Math.ceil(VOLUME_BYTES / BLOCK_BYTES);
const CHANGES = 50;
const FIRST = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

export const seriesOf = (seed: number): string => seed.toString(16).padStart(8, '0').padEnd(32, 'a');

/** Blocks that change from snapshot `sequence - 1` to this one, ascending; those at even places become zeros. */
const changesOf = (seed: number, sequence: number): BlockRun[] => {
  const random = randomNumbers(seed * 1000 + sequence);
  const starts = Array.from({ length: CHANGES }, () => random(NR_BLOCKS)).sort((a, b) => a - b);
  const ends = [...starts.slice(1), NR_BLOCKS];
  return starts.flatMap((start, index) => {
    const count = Math.min(1 + random(random(8) === 0 ? 64 : 4), (ends[index] ?? start) - start);
    return count > 0 ? [{ start, count }] : [];
  });
};

const fill = (content: Buffer, seed: number, sequence: number): void => {
  changesOf(seed, sequence).forEach(({ start, count }, index) => {
    const [from, to] = [start * BLOCK_BYTES, Math.min((start + count) * BLOCK_BYTES, VOLUME_BYTES)];
    content.fill(index % 2 === 0 ? 0 : 1 + randomNumbers(seed * 7919 + sequence * 131 + index)(255), from, to);
    if (index % 2 !== 0) content.writeUInt32LE(sequence + 100, to - 8);
  });
};

/** The volume at a snapshot: the first has the changes of eight steps, and zeros. */
export const contentOf = (seed: number, sequence: number): Buffer => {
  const content = Buffer.alloc(VOLUME_BYTES);
  for (let step = -8; step <= sequence; step++) fill(content, seed, step);
  return content;
};

/**
 * Brings a target to a snapshot.
 *
 * @param checkpointBytes from one checkpoint of a whole point to the next
 */
export const backUp = (
  target: Target,
  folder: string,
  seed: number,
  sequence: number,
  checkpointBytes = 4 * 1048576,
): Point => {
  const syscalls = nativeSyscalls();
  const series = seriesOf(seed);
  const newest = target.points().at(-1);
  const base = newest?.series === series && target.fault(newest) === undefined ? newest : undefined;
  const source = join(folder, 'volume');
  writeFileSync(source, contentOf(seed, sequence));
  const time = new Date(FIRST + sequence * HOUR_MS);
  const writer = target.begin({ series, sequence: BigInt(sequence), time, bytes: VOLUME_BYTES }, base);
  const snapshot = OpenFile.open(source, 'r');
  try {
    const first = base ? Number(base.sequence) + 1 : 1;
    const steps = Array.from({ length: sequence - first + 1 }, (_, index) => changesOf(seed, first + index));
    const blocks = new Set(
      steps.flat().flatMap(({ start, count }) => Array.from({ length: count }, (_, at) => start + at)),
    );
    const changed = [...blocks].sort((a, b) => a - b).map((start) => ({ start, count: 1 }));
    const all = { start: writer.cursor / BLOCK_BYTES, count: NR_BLOCKS - writer.cursor / BLOCK_BYTES };
    const options = { syscalls, pace: undefined, checkpointBytes, onProgress: () => undefined };
    copyToPoint(snapshot, writer, toPieces(base ? changed : [all], VOLUME_BYTES), options);
    return writer.commit();
  } finally {
    snapshot.close();
    writer.close();
  }
};

/** Makes point after point, and removes those that the rules do not keep. */
const runForEver = (folder: string, seed: number): void => {
  const target = new Qcow2Target(folder, nativeSyscalls());
  process.stdout.write('begun\n');
  for (;;) {
    target.tidy((text) => {
      throw new Error(text);
    });
    const newest = target.points().at(-1);
    const sequence = Number(newest?.sequence ?? target.begun()?.sequence ?? 1n) + (newest ? 1 : 0);
    backUp(target, folder, seed, sequence);
    for (const point of toRemove(target.points(), requireKeepRules('latest3,days2'))) target.remove(point);
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  runForEver(process.argv[2] ?? '', Number(process.argv[3]));
