/** Whether and how the newest restore point of a target leads to a snapshot of a device. */
import { ChangeList } from '../cow/change-list.js';
import type { DeviceStatus } from '../driver/status.js';
import { RefusalError } from '../errors.js';
import { openChangeLists } from '../image/change-lists.js';
import type { OpenFile } from '../system/files.js';
import { openOwn } from '../system/safe-files.js';
import { shownTarget } from '../targets/open-target.js';
import type { Point, SnapshotId } from '../targets/target.js';
import type { Work } from './destination.js';
import type { Lists } from './links.js';
import { chain } from './links.js';

export const snapshotOf = ({ uuid = '', seqId = 0n }: DeviceStatus): SnapshotId => ({ series: uuid, sequence: seqId });

/**
 * Why no changes can be added to the newest point, so that everything must be copied, in words; undefined if they can.
 *
 * @param device that tracks the volume
 * @param fault asks the target what speaks against the point
 */
export const reasonForWhole = <P extends Point>(
  newest: P | undefined,
  device: DeviceStatus | undefined,
  lists: Lists,
  volumeBytes: number,
  fault: (point: P) => string | undefined,
): string | undefined => {
  if (!newest) return 'there is no restore point yet';
  if (!device) return 'the volume is not tracked any more: the module was unloaded, or the machine restarted';
  const { series, sequence } = snapshotOf(device);
  if (series !== newest.series) return 'a new series was started after the newest restore point was made';
  if (newest.bytes !== volumeBytes) return 'the size of the volume changed';
  const found = fault(newest);
  if (found !== undefined) return found;
  if (newest.sequence > sequence)
    return `the newest restore point is snapshot ${newest.sequence}, and the volume is tracked since ${sequence}`;
  if (!chain(lists, newest.sequence, sequence))
    return `the lists of changes from snapshot ${newest.sequence} to ${sequence} are not complete`;
  return undefined;
};

/**
 * Runs with the list of what changed from a point to a snapshot.
 *
 * @param snapshot open, of this id
 * @throws RefusalError WHOLE_COPY_NEEDED if a list is missing, which was there when the run was planned; SystemError
 */
export const withChanges = <T>(
  base: Point | undefined,
  { series, sequence }: SnapshotId,
  lists: Lists,
  snapshot: OpenFile,
  work: Work,
  run: (changes: ChangeList) => T,
): T => {
  const { events, context, bytes, request } = work;
  const paths = base && chain(lists, base.sequence, sequence);
  if (!paths)
    throw new RefusalError(
      'WHOLE_COPY_NEEDED',
      `cannot make a restore point in ${shownTarget(request.folder)}: the list of changes is missing or incomplete; the next run makes a full copy`,
    );
  for (const list of paths) events.onDetail?.(`${list} lists changed blocks`);
  const files = paths.map((path) => openOwn(path, 'r'));
  try {
    const place = { uuid: Buffer.from(series, 'hex'), seqid: sequence };
    const cows = openChangeLists(files, snapshot, bytes, place, context.syscalls);
    return run(new ChangeList(cows, paths[0] ?? '', bytes));
  } finally {
    for (const file of files) file.close();
  }
};
