/** Folders of restore points, for tests. */
import { mkdirSync, statSync } from 'node:fs';
import { compareRuns } from '../../../host/copy/compare.js';
import type { BlockRun } from '../../../host/cow/runs.js';
import { toPieces } from '../../../host/cow/runs.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { OpenFile } from '../../../host/system/files.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { copyToPoint } from '../../../host/targets/copy-to-point.js';
import { Qcow2Target } from '../../../host/targets/qcow2.js';
import type { Point } from '../../../host/targets/target.js';

const SERIES = 'c0ffee00112233445566778899aabbcc';

/** Makes the next restore point of a volume, of all of it or of what differs from the newest one. */
export const backUp = (folder: string, volume: string, sequence: number, kept?: string): Point => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const syscalls = nativeSyscalls();
  const target = new Qcow2Target(folder, syscalls);
  const base = kept === undefined ? undefined : target.points().at(-1);
  const { size: bytes } = statSync(volume);
  const all: BlockRun = { start: 0, count: Math.ceil(bytes / BLOCK_BYTES) };
  const snapshot = OpenFile.open(volume, 'r');
  const runs: BlockRun[] = base ? [] : [all];
  if (kept !== undefined) {
    const before = OpenFile.open(kept, 'r');
    compareRuns(before, snapshot, [all], bytes, (run) => runs.push(run));
    before.close();
  }
  const time = new Date(Date.UTC(2026, 10, sequence));
  const writer = target.begin({ series: SERIES, sequence: BigInt(sequence), time, bytes }, base);
  try {
    const options = { syscalls, pace: undefined, checkpointBytes: undefined, onProgress: () => undefined };
    copyToPoint(snapshot, writer, toPieces(runs, bytes), options);
    return writer.commit();
  } finally {
    snapshot.close();
    writer.close();
  }
};
