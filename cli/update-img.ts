/**
 * update-img: brings an image up to the next snapshot of its series (ABI.md, F.4).
 *
 * Exit status: 0; the errno of what could not be opened or read; 22 (EINVAL) for a wrong command line or files that
 * do not belong together; 5 (EIO) if blocks could not be copied.
 */
import { Command, CommanderError } from 'commander';
import type { CopyFailure } from '../host/copy.js';
import { Driver } from '../host/driver.js';
import { EINVAL, EIO, RefusalError, errnoOf, errnoText } from '../host/errors.js';
import { nativeSyscalls } from '../host/syscalls.js';
import { updateImage } from '../host/update-image.js';
import type { UpdatePlan, UpdateResult } from '../host/update-image.js';
import { Progress } from './progress.js';
import { errorLine, jsonInteger, processStreams } from './terminal.js';
import type { Streams } from './terminal.js';
import { PACKAGE_VERSION } from './version.js';

interface Options {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const makeProgram = (streams: Streams): Command =>
  new Command('update-img')
    .description('Bring an image of a snapshot up to the next snapshot of its series.')
    .usage('[options] <snapshot device> <cow file> <image file>')
    .argument('[snapshot device]', 'the new snapshot, /dev/datto<minor>')
    .argument('[cow file]', 'COW file that was closed when the new snapshot began')
    .argument('[image file]', 'image of the snapshot before, a file or a block device')
    .option('-n, --dry-run', 'check everything, tell what would be copied, write nothing')
    .option('--json', 'for programs: one JSON object on standard output')
    .version(PACKAGE_VERSION, '-V, --version', 'tell the version')
    .helpOption('-h, --help', 'tell what there is')
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });

const failureLine = ({ call, subject, offset, bytes, errno }: CopyFailure): string =>
  `update-img: cannot ${call} ${subject} at offset ${offset}, ${bytes} bytes: ${errnoText(errno)}\n`;

const announce = (plan: UpdatePlan, dryRun: boolean, streams: Streams): void => {
  streams.out(`snapshot is ${plan.snapshotBlocks} blocks large\n`);
  if (dryRun) streams.out(`${plan.changedBlocks} blocks to copy, ${plan.changedBytes} bytes\n`);
  else streams.out('copying blocks\n');
};

const printJson = (value: unknown, streams: Streams): void => streams.out(`${JSON.stringify(value, jsonInteger)}\n`);

const resultJson = (result: UpdateResult, failures: readonly CopyFailure[], dryRun: boolean): unknown => ({
  dry_run: dryRun,
  snapshot_blocks: result.snapshotBlocks,
  changed_blocks: result.changedBlocks,
  changed_bytes: result.changedBytes,
  copied_bytes: result.copiedBytes,
  punched_bytes: result.punchedBytes,
  failed_blocks: result.failedBlocks,
  failures,
});

const run = (paths: readonly [string, string, string], options: Options, streams: Streams): number => {
  const [snapshot, cowFile, image] = paths;
  const { dryRun = false, json = false } = options;
  const syscalls = nativeSyscalls();
  const progress = new Progress(streams);
  const failures: CopyFailure[] = [];
  const result = updateImage(
    { snapshot, cowFile, image, dryRun },
    { syscalls, driver: new Driver(syscalls) },
    {
      onPlan: (plan) => {
        if (!json) announce(plan, dryRun, streams);
      },
      onProgress: (done, plan) => progress.update(done, plan.changedBytes),
      onFailure: (failure) => {
        progress.clear();
        if (json) failures.push(failure);
        streams.err(failureLine(failure));
      },
    },
  );
  progress.clear();
  const { changedBlocks, failedBlocks } = result;
  if (json) printJson(resultJson(result, failures, dryRun), streams);
  else if (!dryRun) streams.out(`copying complete: ${changedBlocks} blocks changed, ${failedBlocks} errors\n`);
  return failedBlocks === 0 ? 0 : EIO;
};

/** Exit status of an error: its errno, 22 for a refusal. What is none of these is a bug, and also 22. */
const exitStatus = (error: unknown): number => errnoOf(error) || EINVAL;

/**
 * Runs update-img.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const updateImg = (argv: readonly string[], streams: Streams): number => {
  const program = makeProgram(streams);
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    streams.err(program.helpInformation());
    return EINVAL;
  }
  const [snapshot, cowFile, image] = program.args;
  if (snapshot === undefined || cowFile === undefined || image === undefined || program.args.length !== 3) {
    streams.err(program.helpInformation());
    return EINVAL;
  }
  const options = program.opts<Options>();
  try {
    return run([snapshot, cowFile, image], options, streams);
  } catch (error) {
    if (options.json) {
      const code = error instanceof RefusalError ? error.code : undefined;
      printJson({ error: { code, errno: errnoOf(error), message: errorLine(error) } }, streams);
    }
    streams.err(`update-img: ${errorLine(error)}\n`);
    return exitStatus(error);
  }
};

process.exitCode = updateImg(process.argv.slice(2), processStreams());
