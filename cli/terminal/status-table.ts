/** The driver's status as a table and as JSON. */

import { crashCost, explainDevice } from '../../host/driver/explain.js';
import type { DeviceStatus, DriverStatus } from '../../host/driver/status.js';
import { describeState } from '../../host/driver/status.js';
import { deviceErrorText } from '../../host/errors.js';
import { STATES } from '../../host/layout.js';
import { humanBytes } from '../../host/quantities.js';
import { printable } from './printable.js';
import { jsonInteger } from './terminal.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** An age of whole seconds, in a unit that keeps the number small. */
export const ageText = (seconds: number): string => {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * HOUR) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * DAY ? `${Math.floor(seconds / HOUR)} h` : `${Math.floor(seconds / DAY)} days`;
};

const HEADINGS = ['minor', 'origin', 'state', 'snapshot', 'changed blocks', 'COW size', 'cache', 'COW file'];

const cells = (device: DeviceStatus): string[] => [
  `${device.minor}`,
  printable(device.blockDevice),
  describeState(device.state, device.error),
  device.seqId === undefined ? '-' : `${device.seqId}`,
  device.nrChangedBlocks === undefined ? '-' : `${device.nrChangedBlocks}`,
  device.cowSizeCurrent === undefined ? '-' : humanBytes(device.cowSizeCurrent),
  humanBytes(device.maxCache),
  printable(device.cowFile),
];

const checkpointText = (device: DeviceStatus): string => {
  if (device.checkpoint === 'none') return 'There is no live checkpoint.';
  if (device.checkpoint === 'clean') return 'Nothing was written since the checkpoint.';
  const { checkpointAgeSeconds = 0n, checkpointBytes = 0n, dirtyRegions, regionBytes = 0n } = device;
  const age = ageText(Number(checkpointAgeSeconds));
  const regions = `${dirtyRegions} dirty ${dirtyRegions === 1n ? 'region' : 'regions'} of ${humanBytes(regionBytes)}`;
  return `The live checkpoint is ${age} old and takes ${humanBytes(checkpointBytes)}, with ${regions}.`;
};

const costText = (cost: bigint | 'full'): string => {
  if (cost === 'full') return 'a full backup would be needed';
  return cost === 0n ? 'nothing would be copied again' : `up to ${humanBytes(cost)} would be copied again`;
};

/** What there would be after a crash, and what it would cost; undefined if the driver does not show it. */
const crashText = (device: DeviceStatus): string | undefined => {
  const cost = crashCost(device);
  return cost === undefined ? undefined : `${checkpointText(device)} After a crash now ${costText(cost)}.`;
};

const crashKeys = (device: DeviceStatus): { crash_bytes?: bigint | undefined; crash?: string | undefined } => {
  const cost = crashCost(device);
  return { crash_bytes: cost === 'full' ? undefined : cost, crash: crashText(device) };
};

/** The meaning of each device's state, the next step, and what a crash would cost. */
const explanations = (devices: readonly DeviceStatus[]): string =>
  devices
    .map((device) => {
      const { meaning, next } = explainDevice(device);
      const head = `minor ${device.minor}: `;
      const lines = [meaning, next, crashText(device)].filter((line) => line !== undefined);
      return `\n${head}${lines.join(`\n${' '.repeat(head.length)}`)}\n`;
    })
    .join('');

/** A table of devices with explanations, or one line if there are none. */
export const statusTable = ({ devices }: DriverStatus): string => {
  if (devices.length === 0) return 'no devices\n';
  const rows = [HEADINGS, ...devices.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n${explanations(devices)}`;
};

/** The keys of /proc/datto-info, and texts: state, error, meaning, next step and cost of a crash. */
export const statusJson = ({ version, devices }: DriverStatus): string => {
  const rows = devices.map((device) => ({
    minor: device.minor,
    cow_file: device.cowFile,
    block_device: device.blockDevice,
    max_cache: device.maxCache,
    fallocate: device.fallocate,
    cow_size_current: device.cowSizeCurrent,
    seq_id: device.seqId,
    uuid: device.uuid,
    version: device.version,
    nr_changed_blocks: device.nrChangedBlocks,
    last_freeze_ms: device.lastFreezeMs,
    checkpoint: device.checkpoint,
    checkpoint_age_seconds: device.checkpointAgeSeconds,
    checkpoint_bytes: device.checkpointBytes,
    dirty_regions: device.dirtyRegions,
    region_bytes: device.regionBytes,
    auto_expand: device.autoExpand && {
      step_size_mib: device.autoExpand.stepSizeMib,
      reserved_space_mib: device.autoExpand.reservedSpaceMib,
    },
    error: device.error,
    error_text: device.error === undefined ? undefined : deviceErrorText(device.error),
    state: device.state,
    state_text: STATES[device.state]?.doc,
    ...explainDevice(device),
    ...crashKeys(device),
  }));
  return `${JSON.stringify({ version, devices: rows }, jsonInteger, 2)}\n`;
};
