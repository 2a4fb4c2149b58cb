/**
 * update-img: updates an image to the next snapshot of its series (docs/COMMANDS.md, F.4; docs/UPDATE-IMG.md).
 *
 * Exit status: 0; the errno of a file that could not be opened or read; 22 (EINVAL) for a wrong command line, files that
 * do not belong together, or an image that may not be updated; 16 (EBUSY) if another process is working on the image, or
 * it is a device in use; 5 (EIO) if blocks could not be copied, or verification found differences.
 */

import { Command, Option } from 'commander';
import type { CopyFailure } from '../host/copy/copy.js';
import type { BlockRun } from '../host/cow/runs.js';
import { Driver } from '../host/driver/driver.js';
import type { RefusalCode } from '../host/errors.js';
import { EBUSY, EINVAL, EIO, errnoOf, errnoText, RefusalError } from '../host/errors.js';
import { imageStatus, rollbackImage } from '../host/image/rollback.js';
import type { ImageState } from '../host/image/state.js';
import type { UpdatePlan, UpdateRequest, UpdateResult } from '../host/image/update-image.js';
import { updateImage } from '../host/image/update-image.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import { addCheckpoint, count, depth, rate, repeated } from './terminal/options.js';
import { oneLine } from './terminal/printable.js';
import { addProgress, Progress, withProgressValue } from './terminal/progress.js';
import type { Streams } from './terminal/terminal.js';
import { parseCommandLine, printJson, reportFailure } from './terminal/terminal.js';
import type { VerbosityOptions, Voice } from './terminal/verbosity.js';
import { addVerbosity, voiceOf } from './terminal/verbosity.js';
import { PACKAGE_VERSION } from './terminal/version.js';

interface Options extends VerbosityOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly fsync?: boolean;
  /** False by --no-safety-clone. */
  readonly safetyClone: boolean;
  readonly keepPrevious?: boolean;
  readonly rollback?: boolean;
  readonly status?: boolean;
  readonly also?: readonly string[];
  readonly adopt?: boolean;
  readonly state?: string;
  readonly verify?: boolean;
  readonly sample: number;
  readonly manifest?: boolean;
  /** Bytes. */
  readonly checkpoint?: number;
  readonly direct?: boolean;
  readonly depth: number;
  readonly rate?: number;
}

/** The command line: arguments and options. */
export const makeProgram = (streams: Streams): Command => {
  const program = new Command('update-img')
    .description('Update an image of a snapshot to the next snapshot of its series.')
    .usage('[options] <snapshot device> <cow file> <image file>')
    .argument('[snapshot device]', 'the new snapshot, /dev/datto<minor>')
    .argument('[cow file]', 'COW file of the incremental that the new snapshot ended')
    .argument('[image file]', 'image of the previous snapshot, a file or a block device')
    .option('-n, --dry-run', 'check everything, show what would be copied and estimate the time, write nothing')
    .addOption(
      new Option(
        '--rate <size>',
        'copy and compare at most so many MiB per second, or as 500K; with --dry-run: estimate from this rate',
      ).argParser(rate),
    )
    .option('--json', 'print one JSON object on standard output')
    .option('--fsync', 'sync each piece before the next one is read (default: sync once, at the end)')
    .option('--direct', 'write long pieces past the page cache too (reads always bypass it)')
    .addOption(
      new Option('--depth <pieces>', 'number of pieces past the page cache at once').argParser(depth).default(128),
    )
    .option('--keep-previous', 'keep the previous image for --rollback: as a clone, or as an undo log')
    .option('--no-safety-clone', 'do not keep a reflink copy of the image while it is updated')
    .option('--rollback', 'with the image alone: restore it from before its last, or interrupted, update')
    .option('--status', 'with the image alone: show which snapshot it is')
    .option('--also <cow file>', 'an older COW file, for an image that missed snapshots; may be repeated', repeated)
    .option('--adopt', 'trust that the image is the snapshot that the (oldest) COW file starts from')
    .option('--state <file>', 'state file of the image, if not at its default path')
    .option('--verify', 'compare the image with the snapshot: changed blocks and a sample of the others')
    .addOption(new Option('--sample <blocks>', 'number of other blocks to compare').argParser(count).default(1000))
    .option('--manifest', 'create a manifest if the image has none (see datto-verify)');
  return addProgress(addVerbosity(addCheckpoint(program, 'cursor')))
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
};

const note = (text: string): string => `update-img: ${oneLine(text)}\n`;

const failureLine = ({ call, subject, offset, bytes, errno }: CopyFailure): string =>
  note(`cannot ${call} ${subject} at offset ${offset}, ${bytes} bytes: ${errnoText(errno)}`);

/** Differences that are printed one by one; further ones are only counted. */
const DIFFERENCES_SHOWN = 20;

const differenceLine = ({ start, count: blocks }: BlockRun, listed: boolean): string => {
  const where = blocks === 1 ? `block ${start} differs` : `blocks ${start} to ${start + blocks - 1} differ`;
  return note(`${where} from the snapshot, though ${listed ? 'copied' : 'not listed as changed'}`);
};

const announce = (plan: UpdatePlan, image: string, options: Options, streams: Streams, voice: Voice): void => {
  if (plan.action === 'resume') {
    const where = `from snapshot ${plan.from} to ${plan.to} was interrupted; resuming at offset ${plan.cursor}`;
    streams.err(note(`the last update of ${image} ${where}`));
  }
  voice.detail(`from snapshot ${plan.from} to ${plan.to} of series ${plan.series}, ${plan.changedBytes} bytes`);
  if (options.json) return;
  const print = options.dryRun ? streams.out : voice.say;
  print(`snapshot is ${plan.snapshotBlocks} blocks large\n`);
  print(options.dryRun ? `${plan.changedBlocks} blocks to copy, ${plan.changedBytes} bytes\n` : 'copying blocks\n');
};

interface Troubles {
  readonly failures: CopyFailure[];
  readonly differences: Array<BlockRun & { readonly listed: boolean }>;
  readonly notices: string[];
}

const resultJson = (result: UpdateResult, troubles: Troubles, dryRun: boolean): unknown => ({
  dry_run: dryRun,
  action: result.action,
  series: result.series,
  from: result.from,
  to: result.to,
  cursor: result.cursor,
  snapshot_blocks: result.snapshotBlocks,
  changed_blocks: result.changedBlocks,
  changed_bytes: result.changedBytes,
  copied_bytes: result.copiedBytes,
  copy_seconds: result.copySeconds,
  punched_bytes: result.punchedBytes,
  failed_blocks: result.failedBlocks,
  direct: result.direct,
  estimate: result.estimate,
  previous: result.previous && { kind: result.previous.kind, sequence: result.previous.sequence },
  verified: result.verified && {
    changed_blocks: result.verified.changedBlocks,
    sampled_blocks: result.verified.sampledBlocks,
    differing_blocks: result.verified.differingBlocks,
  },
  root: result.root,
  ...troubles,
});

const requestOf = (paths: readonly string[], options: Options): UpdateRequest => {
  const [snapshot = '', cowFile = '', image = ''] = paths;
  const { verify, sample, checkpoint, state } = options;
  return {
    snapshot,
    cowFile,
    image,
    dryRun: options.dryRun === true,
    also: options.also ?? [],
    adopt: options.adopt === true,
    keepPrevious: options.keepPrevious === true,
    noSafetyClone: !options.safetyClone,
    manifest: options.manifest === true,
    writeThrough: options.fsync === true,
    ...(state === undefined ? {} : { stateFile: state }),
    ...(verify === true ? { verifySample: sample } : {}),
    direct: options.direct === true,
    depth: options.depth,
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    ...(checkpoint === undefined ? {} : { checkpointBytes: checkpoint }),
  };
};

const update = (paths: readonly string[], options: Options, streams: Streams): number => {
  const request = requestOf(paths, options);
  const { dryRun = false, json = false } = options;
  const syscalls = nativeSyscalls();
  const voice = voiceOf('update-img', options, streams);
  const progress = new Progress(streams, voice.progress);
  const troubles: Troubles = { failures: [], differences: [], notices: [] };
  const result = updateImage(
    request,
    { syscalls, driver: new Driver(syscalls) },
    {
      onPlan: (plan) => announce(plan, request.image, options, streams, voice),
      onProgress: (done, plan) => progress.update(done, plan.changedBytes),
      onFailure: (failure) => {
        progress.clear();
        if (json) troubles.failures.push(failure);
        streams.err(failureLine(failure));
      },
      onNotice: (text) => {
        progress.clear();
        if (json) troubles.notices.push(text);
        streams.err(note(text));
      },
      onDifference: (run, listed) => {
        progress.clear();
        troubles.differences.push({ ...run, listed });
        const shown = troubles.differences.length;
        if (shown <= DIFFERENCES_SHOWN) streams.err(differenceLine(run, listed));
        if (shown === DIFFERENCES_SHOWN)
          streams.err(note('further differences are only counted (datto-verify lists all)'));
      },
    },
  );
  progress.clear();
  const { changedBlocks, failedBlocks, verified, root, estimate } = result;
  const { copiedBytes, copySeconds, punchedBytes } = result;
  if (!dryRun)
    voice.detail(`${copiedBytes} bytes copied in ${copySeconds.toFixed(3)} s, ${punchedBytes} of them as holes`);
  if (json) printJson(resultJson(result, troubles, dryRun), streams);
  else if (dryRun) {
    if (estimate) streams.out(`about ${estimate.seconds.toFixed(2)} s: ${estimate.basis}\n`);
  } else {
    voice.say(`copying complete: ${changedBlocks} blocks changed, ${failedBlocks} errors\n`);
    if (verified) {
      const { changedBlocks: changed, sampledBlocks, differingBlocks } = verified;
      voice.say(`compared ${changed} changed blocks and ${sampledBlocks} others: ${differingBlocks} differ\n`);
    }
    if (root !== undefined && (options.manifest || options.verify)) streams.out(`root ${root}\n`);
  }
  return failedBlocks === 0 && (verified?.differingBlocks ?? 0) === 0 ? 0 : EIO;
};

const rollback = (image: string, options: Options, streams: Streams): number => {
  const { json, state, adopt } = options;
  const place = state === undefined ? {} : { stateFile: state };
  const request = { image, adopt: adopt === true, ...place };
  const onNotice = (text: string): void => streams.err(note(text));
  const { series, sequence, blocks } = rollbackImage(request, nativeSyscalls(), onNotice);
  if (json) printJson({ series, sequence, blocks }, streams);
  else {
    const count = blocks === undefined ? '' : `: ${blocks} blocks restored`;
    voiceOf('update-img', options, streams).say(`${oneLine(image)} is snapshot ${sequence} again${count}\n`);
  }
  return 0;
};

/** The fields of the state file, whose `changedBlocks` the tools print as `changed_blocks`; its old key is deprecated. */
const statusJson = (known: ImageState | undefined, words: string): unknown => ({
  known: known !== undefined,
  ...known,
  changed_blocks: known?.changedBlocks,
  words,
});

const status = (image: string, { json, state }: Options, streams: Streams): number => {
  const { state: known, words } = imageStatus(image, state);
  if (json) printJson(statusJson(known, words), streams);
  else streams.out(`${oneLine(words)}\n`);
  return 0;
};

const IN_USE: ReadonlySet<RefusalCode> = new Set(['IMAGE_LOCKED', 'IMAGE_BUSY']);

/** Exit status of an error: its errno, 16 for an image in use, 22 for other refusals and for bugs. */
const exitStatus = (error: unknown): number =>
  error instanceof RefusalError && IN_USE.has(error.code) ? EBUSY : errnoOf(error) || EINVAL;

const run = (args: readonly string[], options: Options, streams: Streams): number => {
  const [image = ''] = args;
  if (options.rollback) return rollback(image, options, streams);
  if (options.status) return status(image, options, streams);
  return update(args, options, streams);
};

/**
 * Runs update-img.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const updateImg = (argv: readonly string[], streams: Streams): number => {
  const program = makeProgram(streams);
  const wrong = (): string | undefined => {
    const { rollback: back, status: show } = program.opts<Options>();
    if (back && show) return '--rollback and --status, expected one of them';
    const expected = back || show ? 'the image' : 'snapshot device, COW file and image';
    return program.args.length === (back || show ? 1 : 3)
      ? undefined
      : `${program.args.length} arguments, expected ${expected}`;
  };
  const done = parseCommandLine(program, withProgressValue(argv), streams, wrong);
  if (done !== undefined) return done;
  const options = program.opts<Options>();
  try {
    return run(program.args, options, streams);
  } catch (error) {
    reportFailure('update-img', error, options.json, streams);
    return exitStatus(error);
  }
};
