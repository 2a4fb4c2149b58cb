/** The disk's own limit: reads what is listed, past the page cache and many at once, and does nothing with it. */
import type { BlockRun } from '../../host/cow-file.js';
import { PIECE_BYTES, toPieces } from '../../host/copy.js';
import { OpenFile } from '../../host/files.js';
import { IoQueue } from '../../host/io-queue.js';
import type { Syscalls } from '../../host/syscalls.js';

const DEPTH = 128;

/** Milliseconds that reading takes. */
export const readsAlone = (path: string, runs: Iterable<BlockRun>, syscalls: Syscalls): number => {
  const plain = OpenFile.open(path, 'r');
  const file = plain.reopenDirect('read');
  if (!file) throw new Error(`${path} cannot be read past the page cache: set TMPDIR to a folder on a disk`);
  const queue = new IoQueue(syscalls, DEPTH, DEPTH * PIECE_BYTES, path);
  const free = Array.from({ length: DEPTH }, (_, slot) => slot);
  const onDone = (slot: number, result: number): void => {
    if (result <= 0) throw new Error(`reading ${path} failed: ${result}`);
    free.push(slot);
  };
  const began = performance.now();
  for (const piece of toPieces(runs, Number(plain.stat().size))) {
    if (free.length === 0) queue.wait(DEPTH >> 2, onDone);
    const slot = free.pop()!;
    queue.add({ slot, command: 'read', fd: file.fd, at: slot * PIECE_BYTES, ...piece });
  }
  while (free.length < DEPTH) queue.wait(DEPTH - free.length, onDone);
  const milliseconds = performance.now() - began;
  queue.close();
  file.close();
  plain.close();
  return milliseconds;
};
