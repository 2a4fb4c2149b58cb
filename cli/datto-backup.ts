/**
 * datto-backup: backs a volume up into a folder, again and again (docs/BACKUP.md).
 *
 * Exit status: 0 the image is the volume, as of this run; 3 it was found to differ; 4 the administrator must decide;
 * 5 (EIO) blocks could not be copied; 16 (EBUSY) another run is in progress, or the snapshot is open; 19 (ENODEV) no
 * driver; 22 (EINVAL) wrong command line or volume; 28 (ENOSPC) no space; else the errno of the call that failed.
 */

import { Command, Option } from 'commander';
import { planBackup, runBackup } from '../host/backup/backup.js';
import type { BackupEvents, BackupPlan, BackupRequest, BackupResult } from '../host/backup/request.js';
import { isGood } from '../host/backup/request.js';
import type { CopyFailure } from '../host/copy/copy.js';
import type { BlockRun } from '../host/cow/runs.js';
import { Driver } from '../host/driver/driver.js';
import type { RefusalCode } from '../host/errors.js';
import { EBUSY, EINVAL, EIO, ENODEV, ENOSPC, errnoOf, errnoText, RefusalError } from '../host/errors.js';
import { MIB_BYTES } from '../host/layout.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import { addCheckpoint, count } from './terminal/options.js';
import { oneLine } from './terminal/printable.js';
import { Progress } from './terminal/progress.js';
import { humanBytes } from './terminal/status-table.js';
import type { Streams } from './terminal/terminal.js';
import { parseCommandLine, printJson, reportFailure } from './terminal/terminal.js';
import { PACKAGE_VERSION } from './terminal/version.js';

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
};

interface Options {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly progress?: boolean;
  readonly whole?: boolean;
  readonly restart?: boolean;
  readonly keepPrevious: NonNullable<BackupRequest['keepPrevious']>;
  readonly verify: NonNullable<BackupRequest['verify']>;
  readonly sample: number;
  readonly manifest?: boolean;
  readonly minor?: number;
  readonly cowFolder?: string;
  readonly cowSize: number;
  readonly checkpoint?: number;
}

/** The command line: arguments and options. */
export const makeProgram = (streams: Streams): Command => {
  const program = new Command('datto-backup')
    .description('Back up a volume: a full backup on the first run, then only what changed since the last run.')
    .usage('[options] <block device> <folder>')
    .argument('[block device]', 'the volume to back up: mounted, ext4 or xfs')
    .argument('[folder]', 'folder for its images: on another disk, for this volume only')
    .option('-n, --dry-run', 'show what would be done, change nothing')
    .option('--json', 'print one JSON object on standard output')
    .option('--progress', 'show progress even without a terminal')
    .option('--no-progress', 'do not show progress on a terminal')
    .option('--whole', 'make a full copy even if an incremental backup is possible')
    .option('--no-whole', 'exit with status 4 if a full copy is needed')
    .option('--restart', "destroy the folder's device if it has failed, and start a new series with a full backup")
    .addOption(
      new Option(
        '--keep-previous <how>',
        'keep the previous image: clone, where files can be cloned; undo, an undo log where they cannot',
      )
        .choices(['clone', 'undo', 'nothing'])
        .default('clone'),
    )
    .addOption(
      new Option(
        '--verify <what>',
        'compare the image with the snapshot: copied blocks and a sample of the others, or all',
      )
        .choices(['copied', 'all', 'nothing'])
        .default('copied'),
    )
    .addOption(new Option('--sample <blocks>', 'number of other blocks to compare').argParser(count).default(1000))
    .option('--manifest', 'create a manifest if the image has none (see datto-verify)')
    .addOption(
      new Option('--minor <number>', 'minor of a new series, N of /dev/dattoN (default: the lowest free)').argParser(
        count,
      ),
    )
    .option('--cow-folder <folder>', 'folder for COW files, on the volume (default: the root of the volume)')
    .addOption(
      new Option('--cow-size <MiB>', 'size of the COW file in MiB; 0 for a tenth of the volume')
        .argParser(count)
        .default(0),
    );
  return addCheckpoint(program, 'note')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
};

const requestOf = ([volume = '', folder = '']: readonly string[], options: Options): BackupRequest => ({
  volume,
  folder,
  ...(options.whole === undefined ? {} : { whole: options.whole }),
  restart: options.restart === true,
  keepPrevious: options.keepPrevious,
  verify: options.verify,
  sample: options.sample,
  manifest: options.manifest === true,
  ...(options.minor === undefined ? {} : { minor: options.minor }),
  ...(options.cowFolder === undefined ? {} : { cowFolder: options.cowFolder }),
  cowMib: options.cowSize,
  ...(options.checkpoint === undefined ? {} : { checkpointBytes: options.checkpoint * MIB_BYTES }),
});

const note = (text: string): string => `datto-backup: ${oneLine(text)}\n`;

const failureLine = ({ call, subject, offset, bytes, errno }: CopyFailure): string =>
  note(`cannot ${call} ${subject} at offset ${offset}, ${bytes} bytes: ${errnoText(errno)}`);

/** Differences that are printed one by one; further ones are only counted. */
const DIFFERENCES_SHOWN = 20;

const differenceLine = ({ start, count: blocks }: BlockRun, listed: boolean): string => {
  const where = blocks === 1 ? `block ${start} differs` : `blocks ${start} to ${start + blocks - 1} differ`;
  return note(`${where} from the snapshot, though ${listed ? 'copied' : 'not listed as changed'}`);
};

const planLine = ({ kind, reason, bytes }: BackupPlan): string =>
  kind === 'whole'
    ? `full copy of ${humanBytes(BigInt(bytes))}: ${reason}\n`
    : `incremental, ${humanBytes(BigInt(bytes))} have changed\n`;

const planJson = (plan: BackupPlan): unknown => ({
  dry_run: true,
  kind: plan.kind,
  reason: plan.reason,
  finish_first: plan.finishFirst,
  image: plan.image,
  volume_bytes: plan.volumeBytes,
  bytes: plan.bytes,
});

interface Troubles {
  readonly failures: CopyFailure[];
  readonly differences: Array<BlockRun & { readonly listed: boolean }>;
  readonly notices: string[];
}

const resultJson = (result: BackupResult, troubles: Troubles): unknown => ({
  dry_run: false,
  kind: result.kind,
  reason: result.reason,
  finished: result.finished,
  image: result.image,
  minor: result.minor,
  volume_bytes: result.volumeBytes,
  series: result.series,
  sequence: result.sequence,
  time: result.time.toISOString(),
  copied_bytes: result.copiedBytes,
  punched_bytes: result.punchedBytes,
  failed_blocks: result.failedBlocks,
  compared_blocks: result.comparedBlocks,
  differing_blocks: result.differingBlocks,
  previous: result.previous,
  root: result.root,
  ...troubles,
});

const resultLines = (result: BackupResult, volume: string): string => {
  const { image, sequence, series, time, copiedBytes, punchedBytes, comparedBlocks, differingBlocks, failedBlocks } =
    result;
  const zeros = punchedBytes > 0 ? `, ${humanBytes(BigInt(punchedBytes))} of it zeros` : '';
  const counts = `${humanBytes(BigInt(copiedBytes))} copied${zeros}, ${comparedBlocks} blocks compared`;
  if (!isGood(result))
    return `${oneLine(image)} is not a snapshot: ${counts}, ${failedBlocks} errors, ${differingBlocks} differ\n`;
  const lines = [`${image} is ${volume} as of ${time.toISOString()}, snapshot ${sequence} of series ${series}`, counts];
  if (result.previous !== undefined) lines.push(`previous image kept: ${result.previous}`);
  if (result.root !== undefined) lines.push(`root ${result.root}`);
  return `${lines.map(oneLine).join('\n')}\n`;
};

const eventsFor = (streams: Streams, options: Options, progress: Progress, troubles: Troubles): BackupEvents => {
  const warn = (text: string): void => {
    progress.clear();
    streams.err(text);
  };
  const print = (text: string): void => {
    progress.clear();
    if (options.json !== true) streams.out(text);
  };
  return {
    onPlan: (plan) => print(planLine(plan)),
    onStep: (text) => print(`${oneLine(text)}\n`),
    onProgress: (done, total) => progress.update(done, total),
    onNotice: (text) => {
      troubles.notices.push(text);
      warn(note(text));
    },
    onFailure: (failure) => {
      troubles.failures.push(failure);
      if (troubles.failures.length <= DIFFERENCES_SHOWN) warn(failureLine(failure));
    },
    onDifference: (run, listed) => {
      troubles.differences.push({ ...run, listed });
      const shown = troubles.differences.length;
      if (shown <= DIFFERENCES_SHOWN) warn(differenceLine(run, listed));
      if (shown === DIFFERENCES_SHOWN) warn(note('further differences are only counted'));
    },
  };
};

const run = (paths: readonly string[], options: Options, streams: Streams): number => {
  const request = requestOf(paths, options);
  const syscalls = nativeSyscalls();
  const context = { syscalls, driver: new Driver(syscalls) };
  if (options.dryRun) {
    const plan = planBackup(request, context);
    if (options.json) printJson(planJson(plan), streams);
    else {
      if (plan.finishFirst) streams.out('an interrupted backup is finished first\n');
      streams.out(planLine(plan));
    }
    return plan.kind === 'whole' && request.whole === false ? DECISION : 0;
  }
  const progress = new Progress(streams, options.progress);
  const troubles: Troubles = { failures: [], differences: [], notices: [] };
  const result = runBackup(request, context, eventsFor(streams, options, progress, troubles));
  progress.clear();
  if (options.json) printJson(resultJson(result, troubles), streams);
  else streams.out(resultLines(result, request.volume));
  if (result.failedBlocks > 0) return troubles.failures.every(({ errno }) => errno === ENOSPC) ? ENOSPC : EIO;
  return result.differingBlocks > 0 ? DIFFERENT : 0;
};

const exitStatus = (error: unknown): number =>
  (error instanceof RefusalError ? STATUS[error.code] : errnoOf(error)) || EINVAL;

/**
 * Runs datto-backup.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dattoBackup = (argv: readonly string[], streams: Streams): number => {
  const program = makeProgram(streams);
  const done = parseCommandLine(program, argv, streams, () =>
    program.args.length === 2 ? undefined : `${program.args.length} arguments, expected a block device and a folder`,
  );
  if (done !== undefined) return done;
  const options = program.opts<Options>();
  try {
    return run(program.args, options, streams);
  } catch (error) {
    reportFailure('datto-backup', error, options.json, streams);
    return exitStatus(error);
  }
};
