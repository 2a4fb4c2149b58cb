/** COW files as the lists of changes that lead to a snapshot. */
import { CowFile } from '../cow/cow-file.js';
import { SECTOR_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { SeriesPlace } from './update-checks.js';
import { coreFor, requirePlace } from './update-checks.js';

/**
 * The lists of changes that lead to a snapshot, each checked: the last one precedes it, the others precede each other.
 *
 * @param files open COW files, in any order
 * @param snapshot of `bytes` bytes; `next` is its place in its series
 * @throws RefusalError if one is not what it should be
 */
export const openChangeLists = (
  files: readonly OpenFile[],
  snapshot: OpenFile,
  bytes: number,
  next: SeriesPlace,
  syscalls: Syscalls,
): CowFile[] => {
  const cows = files.map((file) => new CowFile(coreFor(snapshot, bytes), syscalls, file, bytes / SECTOR_BYTES));
  const headers = cows.map((cow) => cow.header());
  const bySequence = cows
    .map((cow, index) => ({ cow, path: files[index]?.path ?? '', header: headers[index] }))
    .sort((a, b) => Number((b.header?.seqid ?? 0n) - (a.header?.seqid ?? 0n)));
  bySequence.forEach(({ cow, path, header }, index) => {
    if (header) requirePlace(path, header, next.uuid, next.seqid - 1n - BigInt(index));
    cow.requireChangeList();
  });
  return cows;
};
