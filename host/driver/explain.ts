/** What a device's state means for its user, and what to do next. */
import { deviceErrorText } from '../errors.js';
import { SNAPSHOT_NODE_PREFIX, STATE_BIT_SNAPSHOT, STATE_BIT_UNVERIFIED, STATES } from '../layout.js';
import type { DeviceStatus } from './status.js';

export interface Explanation {
  readonly meaning: string;
  readonly next: string;
}

const UNVERIFIED: (minor: number) => Explanation = (minor) => ({
  meaning: 'A reload resumed it. Every write is tracked, but the volume has not been mounted read-write since.',
  next: `Mount the volume read-write; or \`dbdctl destroy ${minor}\`, which keeps the COW file for another reload.`,
});

/** By the name of the state. */
const EXPLANATIONS: Readonly<Record<string, (minor: number) => Explanation>> = {
  DORMANT_INCREMENTAL: () => ({
    meaning: 'Changes are tracked, but the volume is not mounted read-write.',
    next: 'Mount the volume; a snapshot can be taken only then.',
  }),
  DORMANT_SNAPSHOT: (minor) => ({
    meaning: `${SNAPSHOT_NODE_PREFIX}${minor} stays as it is, but the volume is not mounted read-write.`,
    next: 'Mount the volume; the snapshot can be ended only then.',
  }),
  ACTIVE_INCREMENTAL: (minor) => ({
    meaning: 'The driver tracks which blocks change. There is no snapshot now.',
    next: `For the next backup: \`dbdctl transition-to-snapshot <cow file> ${minor}\` and \`update-img\`; or \`datto-backup\`.`,
  }),
  ACTIVE_SNAPSHOT: (minor) => ({
    meaning: `${SNAPSHOT_NODE_PREFIX}${minor} is the volume as it was at one moment; old blocks go to the COW file before they are overwritten.`,
    next: `Copy it, then \`dbdctl transition-to-incremental ${minor}\`, before the COW file is full.`,
  }),
  UNVERIFIED_INCREMENTAL: UNVERIFIED,
  UNVERIFIED_SNAPSHOT: UNVERIFIED,
};

/** How to prevent an error the next time, where that is known. */
const ADVICE: Readonly<Record<number, string>> = {
  5: 'The kernel log (dmesg) names the disk.',
  12: 'Give it a smaller index cache with -c, or the machine more memory.',
  22: 'The COW file is damaged, or not of this volume.',
  27: 'Copy sooner next time, or give the COW file more room with -f.',
  28: 'Free space on the volume.',
  116: 'Do not resize the volume or write to the COW file, and do not mount the volume before the reload.',
  117: 'The machine or the module ended while the volume was written to, or before the record was written.',
  131: 'This is a bug: save the kernel log (dmesg), and report it.',
};

/**
 * Returns what a crash of the machine at this moment would cost.
 *
 * @returns the bytes that a reload would count as changed beyond those that are, at most; 'full' if the next backup would have to
 *   be a full one; undefined if the driver does not show it, as for a failed device
 */
export const crashCost = ({ checkpoint, dirtyRegions, regionBytes }: DeviceStatus): bigint | 'full' | undefined => {
  if (checkpoint === 'none') return 'full';
  if (checkpoint === 'clean') return 0n;
  return dirtyRegions === undefined || regionBytes === undefined ? undefined : dirtyRegions * regionBytes;
};

const explainFailure = ({ minor, state, error = 0 }: DeviceStatus): Explanation => {
  const lost =
    (state & STATE_BIT_SNAPSHOT) !== 0 ? 'Its snapshot cannot be read any more' : 'Changes are not tracked any more';
  const unverified = (state & STATE_BIT_UNVERIFIED) !== 0;
  const what = unverified ? 'The reload could not resume it' : `${lost}; the volume itself is not harmed`;
  const advice = ADVICE[-error];
  return {
    meaning: `It has failed: ${deviceErrorText(error)}. ${what}.`,
    next: `\`dbdctl destroy ${minor}\`; the next backup must be a full one.${advice === undefined ? '' : ` ${advice}`}`,
  };
};

/** Explains a device, also one in a state that this program does not know. */
export const explainDevice = (device: DeviceStatus): Explanation => {
  if ((device.error ?? 0) !== 0) return explainFailure(device);
  const name = STATES.find(({ value }) => value === device.state)?.name ?? '';
  return (
    EXPLANATIONS[name]?.(device.minor) ?? {
      meaning: `This program does not know state ${device.state}.`,
      next: 'Use the version of dbdctl that belongs to the driver.',
    }
  );
};
