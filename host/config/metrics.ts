/** Metrics of a backup as text for the textfile collector of node_exporter. */
import { chmodSync, writeFileSync } from 'node:fs';
import { figuresOf } from '../backup/figures.js';
import type { DeviceStatus } from '../driver/status.js';
import { readStatus } from '../driver/status.js';
import { SystemError, withErrno } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { makeFile } from '../system/safe-files.js';
import { shownTarget } from '../targets/open-target.js';
import type { Settings } from './keys.js';
import type { BackupRecord } from './record.js';

/** node_exporter runs as a user of its own. */
const PUBLIC = 0o644;

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly value: number | bigint | undefined;
}

const seconds = (date: Date): number => date.getTime() / 1000;

const ofRuns = ({ last, success }: BackupRecord): Metric[] => [
  {
    name: 'dattobd_backup_last_success_timestamp_seconds',
    help: 'Time of the snapshot that the image is.',
    value: success && seconds(success.time),
  },
  {
    name: 'dattobd_backup_duration_seconds',
    help: 'Duration of the last run that succeeded.',
    value: success && seconds(success.ended) - seconds(success.began),
  },
  {
    name: 'dattobd_backup_copied_bytes',
    help: 'Bytes that the last run that succeeded copied.',
    value: success?.copiedBytes,
  },
  {
    name: 'dattobd_backup_copied_blocks',
    help: `The same in blocks of ${BLOCK_BYTES} bytes.`,
    value: success && figuresOf(success).copiedBlocks,
  },
  {
    name: 'dattobd_backup_copy_duration_seconds',
    help: 'Duration of its copy, without the comparison.',
    value: success?.copySeconds,
  },
  {
    name: 'dattobd_backup_compared_blocks',
    help: 'Blocks that it compared with the snapshot.',
    value: success?.comparedBlocks,
  },
  { name: 'dattobd_backup_volume_bytes', help: 'Size of the volume at that run.', value: success?.volumeBytes },
  {
    name: 'dattobd_restore_points',
    help: 'Restore points that the target had after that run; not for an image.',
    value: success?.restorePoints,
  },
  {
    name: 'dattobd_oldest_point_timestamp_seconds',
    help: 'Time of the snapshot of the oldest of them.',
    value: success?.oldestPoint && seconds(success.oldestPoint),
  },
  { name: 'dattobd_backup_status', help: 'Exit status of the last run, 0 if it succeeded.', value: last?.status },
  {
    name: 'dattobd_backup_last_run_timestamp_seconds',
    help: 'Time at which the last run ended, also if it failed.',
    value: last && seconds(last.ended),
  },
];

const ofDevice = (device: DeviceStatus | undefined): Metric[] => [
  {
    name: 'dattobd_device_state',
    help: 'State of the device that tracks the volume, as in /proc/datto-info.',
    value: device?.state,
  },
  {
    name: 'dattobd_device_error',
    help: 'Error of that device, a negative errno, 0 if it has none.',
    value: device && (device.error ?? 0),
  },
  {
    name: 'dattobd_changed_blocks',
    help: `Blocks of ${BLOCK_BYTES} bytes that changed since the snapshot.`,
    value: device?.nrChangedBlocks,
  },
  { name: 'dattobd_cow_size_bytes', help: 'Size limit of the COW file.', value: device?.cowSizeCurrent },
];

/** The value of a label. */
const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

/** The device of the last good backup's series. */
const deviceOf = ({ success }: BackupRecord): DeviceStatus | undefined => {
  try {
    return readStatus().devices.find(({ uuid }) => uuid === success?.series);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
};

/** The text; what is not known is not in it. */
export const metricsText = (
  { request: { volume, folder } }: Settings,
  record: BackupRecord,
  device: DeviceStatus | undefined,
): string => {
  const labels = `{volume=${quoted(volume)},target=${quoted(shownTarget(folder))}}`;
  return [...ofRuns(record), ...ofDevice(device)]
    .filter(({ value }) => value !== undefined)
    .map(({ name, help, value }) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${labels} ${value}\n`)
    .join('');
};

/** Writes the metrics of a backup. A reader sees the old file or the new one. Throws RefusalError, SystemError. */
export const writeMetrics = (path: string, settings: Settings, record: BackupRecord): void =>
  makeFile(path, (file) => {
    const text = metricsText(settings, record, deviceOf(record));
    withErrno('write', path, () => writeFileSync(file.fd, text));
    withErrno('write', path, () => chmodSync(`/proc/self/fd/${file.fd}`, PUBLIC));
  });
