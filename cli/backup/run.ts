/** Runs a backup, prints what it does, and gives the exit status. */
import { endBackups, planBackup, runBackup } from '../../host/backup/backup.js';
import type { BackupRequest, BackupResult } from '../../host/backup/request.js';
import { Driver } from '../../host/driver/driver.js';
import type { RefusalCode } from '../../host/errors.js';
import { EBUSY, ECANCELED, EINVAL, EIO, ENODEV, ENOENT, ENOSPC, errnoOf, RefusalError } from '../../host/errors.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { shownTarget } from '../../host/targets/open-target.js';
import { oneLine } from '../terminal/printable.js';
import { Progress } from '../terminal/progress.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { voiceOf } from '../terminal/verbosity.js';
import type { RunOptions } from './options.js';
import type { Troubles } from './report.js';
import { eventsFor, planJson, planLine, resultJson, resultLines } from './report.js';
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
  HOOK_FAILED: ECANCELED,
};

export const exitStatus = (error: unknown): number =>
  (error instanceof RefusalError ? STATUS[error.code] : errnoOf(error)) || EINVAL;

/** Shows what a run would do. */
export const showPlan = (request: BackupRequest, { json }: RunOptions, streams: Streams): number => {
  const syscalls = nativeSyscalls();
  const plan = planBackup(request, { syscalls, driver: new Driver(syscalls) });
  if (json) printJson(planJson(plan), streams);
  else {
    if (plan.finishFirst) streams.out('an interrupted backup is finished first\n');
    streams.out(planLine(plan));
  }
  return plan.kind === 'whole' && request.whole === false ? DECISION : 0;
};

/** Ends the backups of a volume into a folder. */
export const endTracking = (
  { volume, folder, keep }: BackupRequest,
  options: VerbosityOptions,
  streams: Streams,
): number => {
  const syscalls = nativeSyscalls();
  const ended = endBackups(
    { volume, folder, ...(keep === undefined ? {} : { keep }) },
    { syscalls, driver: new Driver(syscalls) },
  );
  const text = `${endedText(volume, ended)}; the images in ${shownTarget(folder)} stay`;
  voiceOf('datto-backup', options, streams).say(`${oneLine(text)}\n`);
  return 0;
};

/** A run that came to an end, with its exit status. */
export interface Outcome {
  readonly status: number;
  readonly result: BackupResult;
  /** Prints the result, after what the caller has to do with it. */
  readonly print: () => void;
  readonly notice: (text: string) => void;
}

/** Makes a backup. Throws what runBackup() throws. */
export const backUp = (request: BackupRequest, options: RunOptions, streams: Streams): Outcome => {
  const syscalls = nativeSyscalls();
  const voice = voiceOf('datto-backup', options, streams);
  const progress = new Progress(streams, voice.progress);
  const troubles: Troubles = { failures: [], differences: [], notices: [] };
  const events = eventsFor(streams, voice, options.json === true, progress, troubles);
  const result = runBackup(request, { syscalls, driver: new Driver(syscalls) }, events);
  progress.clear();
  const isFull = troubles.failures.every(({ errno }) => errno === ENOSPC);
  const hooks = result.failedHooks.length > 0 ? ECANCELED : 0;
  const different = result.differingBlocks > 0 ? DIFFERENT : hooks;
  return {
    status: result.failedBlocks === 0 ? different : isFull ? ENOSPC : EIO,
    result,
    print: () => {
      if (options.json) printJson(resultJson(result, troubles), streams);
      else voice.say(resultLines(result, request.volume));
    },
    notice: (text) => events.onNotice?.(text),
  };
};
