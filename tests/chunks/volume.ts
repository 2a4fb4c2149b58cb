/** A volume that changes by a rule, repositories for it, and targets in them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../host/copy/compare.js';
import type { BlockRun } from '../../host/cow/runs.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import type { ChunkPoint } from '../../host/targets/chunks/facts.js';
import type { ChunkOutcome } from '../../host/targets/chunks/target.js';
import { ChunkTarget } from '../../host/targets/chunks/target.js';

/** Not a whole number of chunks, nor of blocks. */
export const VOLUME_BYTES = 24 * 1048576 + 700;
const NR_BLOCKS = Math.ceil(VOLUME_BYTES / BLOCK_BYTES);
const CHANGES = 4;
const FIRST = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

export type EngineName = 'restic' | 'borg';

export const seriesOf = (seed: number): string => seed.toString(16).padStart(8, '0').padEnd(32, 'a');

/** Blocks that change from snapshot `sequence - 1` to this one; the last one changes with every third. */
export const changesOf = (seed: number, sequence: number): BlockRun[] => {
  const random = randomNumbers(seed * 1000 + sequence);
  const runs = Array.from({ length: CHANGES }, () => ({ start: random(NR_BLOCKS - 8), count: 1 + random(8) }));
  return sequence % 3 === 0 ? [...runs, { start: NR_BLOCKS - 1, count: 1 }] : runs;
};

/** The volume at a snapshot. */
export const contentOf = (seed: number, sequence: number): Buffer => {
  const content = Buffer.alloc(VOLUME_BYTES);
  const random = randomNumbers(seed);
  for (let at = 0; at + 4 <= VOLUME_BYTES; at += 1024) content.writeUInt32LE(random(2 ** 32), at);
  for (let step = 2; step <= sequence; step++)
    changesOf(seed, step).forEach(({ start, count }, index) => {
      const [from, to] = [start * BLOCK_BYTES, Math.min((start + count) * BLOCK_BYTES, VOLUME_BYTES)];
      content.fill((step * 7 + index) % 256, from, to);
    });
  return content;
};

/** A folder that goes with this process. */
export const scratchFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'datto-chunks-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Passwords as the engines take them. */
export const setPasswords = (): void => {
  Object.assign(process.env, { RESTIC_PASSWORD: 'a word', BORG_PASSPHRASE: 'a word' });
};

/** Makes an empty repository. */
export const makeRepository = (engine: EngineName, repository: string): void => {
  const command =
    engine === 'restic' ? ['init', '--repo', repository] : ['init', '--encryption', 'repokey', repository];
  execFileSync(engine, command, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...(engine === 'borg' ? { BORG_CACHE_DIR: `${repository}.cache` } : {}) },
  });
};

export const targetIn = (
  engine: EngineName,
  folder: string,
  volume = 'volume',
  chunkBytes?: number,
  lockSeconds = 60,
  repository = join(folder, 'repository'),
): ChunkTarget =>
  new ChunkTarget({
    ...{ address: `${engine}:${repository}`, volume, stateFolder: join(folder, 'state') },
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
    ...{ lockSeconds, syscalls: nativeSyscalls() },
  });

/** Brings a target to a snapshot: by changes, if it can be. */
export const backUp = (target: ChunkTarget, folder: string, seed: number, sequence: number): ChunkOutcome => {
  const device = join(folder, 'device');
  writeFileSync(device, contentOf(seed, sequence));
  const newest = target.points().at(-1);
  const base = newest?.series === seriesOf(seed) && target.fault(newest) === undefined ? newest : undefined;
  const first = Number(base?.sequence ?? 0n) + 1;
  const steps = Array.from({ length: sequence - first + 1 }, (_, index) => changesOf(seed, first + index));
  const time = new Date(FIRST + sequence * HOUR_MS);
  const facts = { series: seriesOf(seed), sequence: BigInt(sequence), time, bytes: VOLUME_BYTES };
  return target.backup({ device, facts, ...(base ? { changed: steps.flat() } : {}) });
};

/** A point is its snapshot, as a restore reads it. */
export const requireRight = (target: ChunkTarget, point: ChunkPoint): void => {
  const opened = target.open(point);
  try {
    const seed = Number.parseInt(point.series.slice(0, 8), 16);
    const isRight = readFileSync(opened.path).equals(contentOf(seed, Number(point.sequence)));
    assert.ok(isRight, `point ${point.name}, seed ${seed}`);
  } finally {
    opened.close();
  }
};

export const sequences = (target: ChunkTarget): number[] => target.points().map(({ sequence }) => Number(sequence));
