/** Runs a backup, prints what it does, and gives the exit status. */
import { endBackups } from '../../host/backup/backup.js';
import { planGroup, runGroup } from '../../host/backup/group.js';
import type { BackupContext, BackupRequest, BackupResult } from '../../host/backup/request.js';
import { Driver } from '../../host/driver/driver.js';
import type { RefusalCode } from '../../host/errors.js';
import { EBUSY, ECANCELED, EINVAL, EIO, ENODEV, ENOENT, ENOSPC, errnoOf, RefusalError } from '../../host/errors.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { shownTarget } from '../../host/targets/open-target.js';
import { oneLine } from '../terminal/printable.js';
import { Progress } from '../terminal/progress.js';
import type { Streams } from '../terminal/terminal.js';
import { errorLine, failureJson, printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { voiceOf } from '../terminal/verbosity.js';
import type { RunOptions } from './options.js';
import type { Troubles } from './report.js';
import { eventsFor, labelled, note, planJson, planLines, resultJson, resultLines } from './report.js';
import { endedText } from './targets.js';

const DIFFERENT = 3;
const DECISION = 4;

/** Exit status of the refusals that are not EINVAL. */
const STATUS: Partial<Record<RefusalCode, number>> = {
  DEVICE_FAILED: DECISION,
  DEVICE_FOREIGN: DECISION,
  DEVICE_UNVERIFIED: DECISION,
  VOLUME_CHANGED: DECISION,
  WHOLE_COPY_NEEDED: DECISION,
  BACKUP_RUNNING: EBUSY,
  IMAGE_LOCKED: EBUSY,
  NO_DRIVER: ENODEV,
  NO_SPACE: ENOSPC,
  CONFIG_MISSING: ENOENT,
  GROUP_FAILED: ECANCELED,
  HOOK_FAILED: ECANCELED,
};

export const exitStatus = (error: unknown): number =>
  (error instanceof RefusalError ? STATUS[error.code] : errnoOf(error)) || EINVAL;

const contextOf = (): BackupContext => {
  const syscalls = nativeSyscalls();
  return { syscalls, driver: new Driver(syscalls) };
};

/** A backup to make. */
export interface Asked {
  /** Of its configuration. */
  readonly name?: string;
  readonly request: BackupRequest;
}

/** What is before each line about a backup that is one of several. */
const labelOf = ({ name, request }: Asked, all: readonly Asked[]): string =>
  all.length > 1 ? `${name ?? request.volume}: ` : '';

/** One object of JSON: of one backup, or with one object for each of several. */
const printObjects = (all: readonly Asked[], objects: readonly object[], streams: Streams): void => {
  const [only] = objects;
  if (objects.length === 1) printJson(only, streams);
  else printJson({ backups: objects.map((object, index) => ({ name: all[index]?.name, ...object })) }, streams);
};

/** Shows what a run would do. */
export const showPlan = (all: readonly Asked[], { json }: RunOptions, streams: Streams): number => {
  const plans = planGroup(all, contextOf());
  const planned = all.flatMap((asked, index) => plans.slice(index, index + 1).map((plan) => ({ asked, plan })));
  if (json) printObjects(all, plans.map(planJson), streams);
  else for (const { asked, plan } of planned) streams.out(labelled(labelOf(asked, all), planLines(plan)));
  const isRefused = planned.some(({ asked, plan }) => plan.kind === 'whole' && asked.request.whole === false);
  return isRefused ? DECISION : 0;
};

/** Ends the backups of a volume into a folder. */
export const endTracking = (
  { volume, folder, keep }: BackupRequest,
  options: VerbosityOptions,
  streams: Streams,
): number => {
  const ended = endBackups({ volume, folder, ...(keep === undefined ? {} : { keep }) }, contextOf());
  const text = `${endedText(volume, ended)}; the images in ${shownTarget(folder)} stay`;
  voiceOf('datto-backup', options, streams).say(`${oneLine(text)}\n`);
  return 0;
};

/** A backup that came to its end, or could not be made. */
export interface Ended {
  readonly asked: Asked;
  readonly status: number;
  /** Why it is no success; empty if it is. */
  readonly message: string;
  readonly result?: BackupResult;
  readonly error?: unknown;
  readonly troubles: Troubles;
  /** Reports what the caller has found to be wrong. */
  readonly notice: (text: string) => void;
}

const statusOf = ({ failedHooks, differingBlocks, failedBlocks }: BackupResult, { failures }: Troubles): number => {
  if (failedBlocks > 0) return failures.every(({ errno }) => errno === ENOSPC) ? ENOSPC : EIO;
  if (differingBlocks > 0) return DIFFERENT;
  return failedHooks.length > 0 ? ECANCELED : 0;
};

/** Why a run that came to its end is no success. */
const shortfall = ({ differingBlocks, failedBlocks, failedHooks }: BackupResult): string => {
  if (failedBlocks > 0) return `${failedBlocks} errors`;
  return differingBlocks > 0 ? `${differingBlocks} blocks differ` : failedHooks.join('; ');
};

/** Makes backups, of several volumes at one instant. */
export const backUp = (all: readonly Asked[], options: RunOptions, streams: Streams): Ended[] => {
  const voice = voiceOf('datto-backup', options, streams);
  const progress = new Progress(streams, voice.progress);
  const printer = { streams, voice, progress, json: options.json === true };
  const members = all.map((asked) => {
    const troubles: Troubles = { failures: [], differences: [], notices: [] };
    return { asked, request: asked.request, troubles, events: eventsFor(printer, labelOf(asked, all), troubles) };
  });
  const outcomes = runGroup(members, contextOf());
  progress.clear();
  return members.flatMap(({ asked, troubles, events }, index) =>
    outcomes.slice(index, index + 1).map((outcome) => {
      const known = { asked, troubles, notice: (text: string) => events.onNotice?.(text) };
      if ('error' in outcome)
        return { ...known, ...outcome, status: exitStatus(outcome.error), message: errorLine(outcome.error) };
      return { ...known, ...outcome, status: statusOf(outcome.result, troubles), message: shortfall(outcome.result) };
    }),
  );
};

/** A member that failed for another one's sake says nothing of why. */
const isForAnother = ({ error }: Ended): boolean => error instanceof RefusalError && error.code === 'GROUP_FAILED';

/** Prints how backups ended. Returns the exit status. Throws the error of a backup that is the only one. */
export const report = (all: readonly Ended[], options: RunOptions, streams: Streams): number => {
  const [only] = all;
  if (all.length === 1 && only?.error !== undefined) throw only.error;
  const asked = all.map((ended) => ended.asked);
  const voice = voiceOf('datto-backup', options, streams);
  for (const ended of all) {
    const label = labelOf(ended.asked, asked);
    if (!ended.result) streams.err(note(`${label}${ended.message}`));
    else if (!options.json) voice.say(labelled(label, resultLines(ended.result, ended.asked.request.volume)));
  }
  if (options.json) {
    const objects = all.map(({ status, result, error, troubles }) => ({
      ...(all.length > 1 ? { status } : {}),
      ...(result ? resultJson(result, troubles) : failureJson(error)),
    }));
    printObjects(asked, objects, streams);
  }
  const failed = all.filter(({ status }) => status !== 0);
  return (failed.find((ended) => !isForAnother(ended)) ?? failed[0])?.status ?? 0;
};
