/** COW files of one series, in the order of their snapshots. */
import { RefusalError } from '../errors.js';
import type { OriginSize } from '../inspect/geometry.js';
import { geometryOfOrigin } from '../inspect/geometry.js';
import { InspectedCow } from '../inspect/inspected-cow.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';

/** A file of an earlier snapshot may be of the volume before it grew: then the size is not that of its origin. */
const openEarlier = (cow: InspectedCow, syscalls: Syscalls, origin: OriginSize): InspectedCow => {
  const { geometry } = cow.answer;
  const fits = geometry === undefined || geometry.nrSections === geometryOfOrigin(origin.sectors).nrSections;
  return fits ? InspectedCow.of(cow.file, syscalls, origin) : cow;
};

/** The next file after one must be of the same series, and of a later snapshot. */
const requireNext = (before: InspectedCow, cow: InspectedCow): void => {
  const [series, expected] = [cow, before].map(({ header }) => header.uuid.toString('hex'));
  if (series !== expected) {
    const message = `cannot show ${cow.path} with ${before.path}: it is of series ${series}, expected ${expected}`;
    throw new RefusalError('UUID_MISMATCH', message);
  }
  if (cow.header.seqid !== before.header.seqid) return;
  const found = `both are of snapshot ${cow.header.seqid}`;
  throw new RefusalError(
    'SEQID_MISMATCH',
    `cannot show ${cow.path} with ${before.path}: ${found}, expected one of each`,
  );
};

/**
 * Reads open files. The caller closes them.
 *
 * @param files at least one, in any order
 * @param origin size of the volume at the time of the latest file, if known
 * @throws RefusalError UUID_MISMATCH, SEQID_MISMATCH; those of InspectedCow.of()
 */
export const openSeries = (
  files: readonly OpenFile[],
  syscalls: Syscalls,
  origin: OriginSize | undefined,
): InspectedCow[] => {
  const cows = files
    .map((file) => InspectedCow.of(file, syscalls))
    .sort((a, b) => Number(a.header.seqid - b.header.seqid));
  cows.slice(1).forEach((cow, at) => requireNext(cows[at]!, cow));
  if (origin === undefined) return cows;
  const last = cows.length - 1;
  return cows.map((cow, at) =>
    at === last ? InspectedCow.of(cow.file, syscalls, origin) : openEarlier(cow, syscalls, origin),
  );
};
