/**
 * Whether configured backups are as they should be, for monitoring. What cannot be known is not good: a backup is good only
 * if its last run succeeded, and its image is still what that run made.
 */
import { statSync } from 'node:fs';
import { namesIn } from '../backup/folder.js';
import { lookAtVolume } from '../backup/volume.js';
import { describeState, readStatus } from '../driver/status.js';
import { RefusalError, SystemError, withErrno } from '../errors.js';
import { readState } from '../image/state.js';
import { nativeSyscalls } from '../system/syscalls.js';
import type { PointsOf } from '../targets/open-target.js';
import { isAddress, openTarget, shownTarget } from '../targets/open-target.js';
import { Qcow2Target } from '../targets/qcow2.js';
import type { Point } from '../targets/target.js';
import { findingLine, readConfig } from './config.js';
import type { Settings } from './keys.js';
import { NEVER } from './keys.js';
import { isRunning } from './process.js';
import type { BackupRecord, Success } from './record.js';
import { readRecord } from './record.js';
import type { Timer } from './timer.js';
import { timerOf } from './timer.js';

/** `bad`: known to be wrong. `unknown`: not known to be right. */
export type Verdict = 'good' | 'bad' | 'unknown';

export interface BackupStatus {
  readonly name: string;
  readonly verdict: Verdict;
  /** Why it is not good. */
  readonly reasons: readonly string[];
  readonly settings?: Settings;
  readonly record?: BackupRecord;
  /** A run is in progress. */
  readonly isRunning: boolean;
  /** Age of the last good backup: seconds since its snapshot. */
  readonly ageSeconds?: number;
  /** The device that tracks what changed since that snapshot, in words; undefined if there is none. */
  readonly tracked?: string;
  readonly timer?: Timer;
}

/** What was found wrong. */
class Reasons {
  readonly texts: string[] = [];
  verdict: Verdict = 'good';

  bad(text: string): void {
    this.texts.push(text);
    this.verdict = 'bad';
  }

  unknown(text: string): void {
    this.texts.push(text);
    if (this.verdict === 'good') this.verdict = 'unknown';
  }

  /** Runs what may find that something cannot be looked at. */
  try<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
      this.unknown(error.message);
      return undefined;
    }
  }
}

/** systemd starts a service some time after its timer: what it waits for must be mounted first. */
const START_SECONDS = 600;

const secondsSince = (time: Date, now: Date): number => (now.getTime() - time.getTime()) / 1000;

const judgeRecord = (record: BackupRecord | undefined, now: Date, reasons: Reasons): void => {
  const { open, last, success } = record ?? {};
  if (open && !isRunning(open.process))
    reasons.bad(`the run of ${open.began.toISOString()} was ended before it was complete`);
  if (last && last.status !== 0) {
    const why = last.message === '' ? '' : `: ${last.message}`;
    reasons.bad(`the run of ${last.began.toISOString()} failed with status ${last.status}${why}`);
  }
  if (!success) reasons.unknown('no run of it has succeeded yet');
  else if (secondsSince(success.time, now) < 0 || secondsSince(success.ended, now) < 0)
    reasons.unknown(`its last backup is of ${success.time.toISOString()}, in the future; hint: set the clock`);
};

const judgeAge = (success: Success | undefined, now: Date, maxSeconds: number | undefined, reasons: Reasons): void => {
  if (!success || maxSeconds === undefined) return;
  const age = Math.floor(secondsSince(success.time, now));
  if (age > maxSeconds) reasons.bad(`its last backup is ${age} seconds old, expected at most ${maxSeconds}`);
};

/** The image must be what the last good run made of it. While a run is in progress, it changes. */
const judgeImage = ({ series, sequence }: Success, folder: string, reasons: Reasons): void => {
  const { image } = namesIn(folder);
  const seen = reasons.try(() => ({
    stat: withErrno('stat', image, () => statSync(image, { bigint: true })),
    state: readState(`${image}.datto-state`),
  }));
  if (!seen) return;
  const { stat, state } = seen;
  if (!state) reasons.unknown(`the state of ${image} is unknown`);
  else if (state.state !== 'CLEAN') reasons.bad(`${image} is no snapshot: its state is ${state.state}`);
  else if (state.series !== series || state.sequence !== sequence)
    reasons.unknown(
      `${image} is snapshot ${state.sequence} of series ${state.series}, by another run than those of this backup`,
    );
  else if (state.mtime !== undefined && state.mtime !== stat.mtimeNs)
    reasons.bad(`something else wrote ${image} after ${state.time}`);
};

/** The newest restore point must be what the last good run made. While a run is in progress, it changes. */
const judgePoints = ({ volume, series, sequence }: Success, folder: string, reasons: Reasons): void => {
  const look = <P extends Point>(target: PointsOf<P>): { newest: P | undefined; fault: string | undefined } => {
    try {
      const newest = target.points().at(-1);
      return { newest, fault: newest && target.fault(newest) };
    } finally {
      target.close?.();
    }
  };
  const seen = reasons.try<{ newest: Point | undefined; fault: string | undefined }>(() => {
    const syscalls = nativeSyscalls();
    if (!isAddress(folder)) return look(new Qcow2Target(folder, syscalls));
    const { filesystem = '' } = lookAtVolume(volume, syscalls);
    return openTarget(folder, filesystem, syscalls, { blocks: look, chunks: look });
  });
  if (!seen) return;
  const { newest, fault } = seen;
  if (!newest) reasons.bad(`${shownTarget(folder)} has no restore point`);
  else if (newest.series !== series || newest.sequence !== sequence)
    reasons.unknown(
      `the newest restore point in ${shownTarget(folder)} is ${newest.name}, by another run than those of this backup`,
    );
  else if (fault !== undefined) reasons.bad(fault);
};

const judgeTimer = (
  timer: Timer | undefined,
  record: BackupRecord | undefined,
  now: Date,
  isAgeJudged: boolean,
  reasons: Reasons,
): void => {
  if (!timer) return;
  // Where the age is judged, something else than systemd may run the backup.
  if (!timer.isActive && !isAgeJudged)
    reasons.bad('its timer is not active; hint: systemctl daemon-reload, and start it');
  const ended = record?.last?.ended ?? new Date(0);
  const isMissing = timer.last && timer.last > ended && secondsSince(timer.last, now) > START_SECONDS;
  if (timer.last && isMissing && !record?.open)
    reasons.bad(`systemd was to run it at ${timer.last.toISOString()}, and there is no record of that run`);
};

/** The device that goes on from a snapshot, in words. */
const trackedOf = (series: string): string | undefined => {
  try {
    const device = readStatus().devices.find(({ uuid }) => uuid === series);
    return device && `minor ${device.minor}: ${describeState(device.state, device.error)}`;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
};

/**
 * The status of a configured backup.
 *
 * @param maxSeconds the age from which on it is too old
 * @throws RefusalError CONFIG_MISSING
 */
export const backupStatus = (name: string, maxSeconds: number | undefined, now = new Date()): BackupStatus => {
  const reasons = new Reasons();
  let config: ReturnType<typeof readConfig> | undefined;
  try {
    config = readConfig(name);
  } catch (error) {
    if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
    if (error instanceof RefusalError && error.code === 'CONFIG_MISSING') throw error;
    reasons.unknown(error.message);
  }
  for (const finding of config?.findings ?? []) reasons.unknown(findingLine(config?.path ?? name, finding));
  const { settings } = config ?? {};
  if (!settings) return { name, verdict: reasons.verdict, reasons: reasons.texts, isRunning: false };

  const record = reasons.try(() => readRecord(name));
  if (record || reasons.verdict === 'good') judgeRecord(record, now, reasons);
  const { open, success } = record ?? {};
  const isOpen = open !== undefined && isRunning(open.process);
  const { volume, folder, keep } = settings.request;
  const isOther = success !== undefined && (success.volume !== volume || success.folder !== shownTarget(folder));
  if (success && isOther) reasons.unknown(`its last backup was of ${success.volume} into ${success.folder}`);
  judgeAge(success, now, maxSeconds, reasons);
  if (success && !isOther && !isOpen) (keep === undefined ? judgeImage : judgePoints)(success, folder, reasons);
  const timer = settings.schedule === NEVER ? undefined : timerOf(name);
  judgeTimer(timer, record, now, maxSeconds !== undefined, reasons);
  const tracked = success && trackedOf(success.series);
  return {
    ...{ name, settings, isRunning: isOpen },
    ...(record ? { record } : {}),
    ...(success ? { ageSeconds: Math.floor(secondsSince(success.time, now)) } : {}),
    ...(tracked === undefined ? {} : { tracked }),
    ...(timer ? { timer } : {}),
    verdict: reasons.verdict,
    reasons: reasons.texts,
  };
};
