/** Folders on another machine, which is this one: by a real ssh, with the tools as they are shipped. */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { toPieces } from '../../host/cow/runs.js';
import { RefusalError, SystemError } from '../../host/errors.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import { OpenFile } from '../../host/system/files.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { copyToPoint } from '../../host/targets/copy-to-point.js';
import type { SshTarget } from '../../host/targets/ssh/target.js';
import type { Point } from '../../host/targets/target.js';
import { buildTools } from '../../scripts/build-cli.js';
import { startServer } from './server.js';

const scratch = mkdtempSync(join(tmpdir(), 'datto-ssh-'));
export const at = (name: string): string => join(scratch, name);
export const tools = at('tools');
await buildTools(tools);
export const server = await startServer(at('sshd'), tools);

/** To be called after the last test. */
export const clean = (): void => {
  server.stop();
  rmSync(scratch, { recursive: true, force: true });
};

export const syscalls = nativeSyscalls();
export const SERIES = 'c0ffee00112233445566778899aabbcc';
const NR_BLOCKS = 4096;
export const BYTES = NR_BLOCKS * BLOCK_BYTES;

/** The volume at each snapshot, as a file. */
export const content = Buffer.alloc(BYTES);
randomFillSync(content, 0, BYTES / 2);
export const snapshotFile = (sequence: number): string => at(`snapshot.${sequence}`);
export const snap = (sequence: number, changed: readonly number[] = []): string => {
  for (const block of changed) randomFillSync(content, block * BLOCK_BYTES, BLOCK_BYTES);
  writeFileSync(snapshotFile(sequence), content);
  return snapshotFile(sequence);
};

export const factsOf = (sequence: number) => ({
  ...{ series: SERIES, sequence: BigInt(sequence), time: new Date(Date.UTC(2026, 10, sequence)), bytes: BYTES },
  filesystem: '0123456789abcdef0123456789abcdef',
});

/** Makes a point of blocks of a snapshot; all of them if there is none before. */
export const makePoint = (target: SshTarget, sequence: number, changed: readonly number[] = []): Point => {
  const snapshot = OpenFile.open(snap(sequence, changed), 'r');
  const base = changed.length > 0 ? target.points().at(-1) : undefined;
  const runs = base ? changed.map((start) => ({ start, count: 1 })) : [{ start: 0, count: NR_BLOCKS }];
  const writer = target.begin(factsOf(sequence), base);
  try {
    const options = { syscalls, pace: undefined, checkpointBytes: undefined, onProgress: () => undefined };
    copyToPoint(snapshot, writer, toPieces(runs, BYTES), options);
    writer.flush();
    const block = Buffer.alloc(BLOCK_BYTES);
    writer.readFull(block, 7 * BLOCK_BYTES);
    assert.ok(block.equals(content.subarray(7 * BLOCK_BYTES, 8 * BLOCK_BYTES)));
    return writer.commit();
  } finally {
    writer.close();
    snapshot.close();
  }
};

export const addressOf = (folder: string): string => `ssh:elsewhere:${folder}`;
export const newFolder = (name: string): string => {
  mkdirSync(at(name), { mode: 0o700 });
  return at(name);
};

export const run = (tool: string, ...args: readonly string[]): string =>
  execFileSync(join(tools, `${tool}.mjs`), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export const failure = (call: () => unknown): RefusalError | SystemError => {
  try {
    call();
  } catch (error) {
    if (error instanceof RefusalError || error instanceof SystemError) return error;
    throw error;
  }
  throw new Error('it did not fail');
};
