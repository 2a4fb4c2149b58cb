/**
 * datto-verify: verifies an image against a snapshot or its manifest (docs/UPDATE-IMG.md), and restore points (docs/BACKUP.md).
 *
 * Exit status: 0 no difference and no rot; 3 something differs or has rotted; 22 (EINVAL) for a wrong command line, or
 * files that do not belong together; 16 (EBUSY) if another process is working on the image; else the errno of a file
 * that could not be opened or read.
 */

import { Command, CommanderError, Option } from 'commander';
import type { BlockRun } from '../host/cow/runs.js';
import { EBUSY, EINVAL, errnoOf, errnoText, RefusalError } from '../host/errors.js';
import { compareImage, makeManifest, scrubImage } from '../host/image/verify-image.js';
import type { Finding } from '../host/manifest/scrub.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import { count } from './terminal/options.js';
import { oneLine } from './terminal/printable.js';
import { addProgress, Progress, withProgressValue } from './terminal/progress.js';
import type { Streams } from './terminal/terminal.js';
import { printJson, reportFailure, usageLine } from './terminal/terminal.js';
import type { VerbosityOptions } from './terminal/verbosity.js';
import { addVerbosity, voiceOf } from './terminal/verbosity.js';
import { PACKAGE_VERSION } from './terminal/version.js';
import type { PointsOptions } from './verify/points.js';
import { verifyPoints } from './verify/points.js';

const DIFFERENT = 3;

interface Common extends VerbosityOptions {
  readonly json?: boolean;
}

interface CompareOptions extends Common {
  readonly cow?: string;
  readonly all?: boolean;
  readonly sample: number;
  readonly seed?: number;
}

interface ManifestOptions extends Common {
  readonly state?: string;
  readonly manifest?: string;
  readonly fast?: boolean;
}

const blocksOf = ({ start, count: blocks }: BlockRun): string =>
  blocks === 1 ? `block ${start}` : `blocks ${start} to ${start + blocks - 1}`;

const compare = (snapshot: string, image: string, options: CompareOptions, streams: Streams): number => {
  const { cow, all = false, sample, json = false } = options;
  const seed = options.seed ?? Date.now() % 2 ** 32;
  const { say, detail, progress: shows } = voiceOf('datto-verify', options, streams);
  const progress = new Progress(streams, shows);
  const differences: Array<BlockRun & { readonly listed: boolean | undefined }> = [];
  const result = compareImage(
    { snapshot, image, all, sample, seed, ...(cow === undefined ? {} : { cowFile: cow }) },
    nativeSyscalls(),
    {
      onProgress: (done, total) => progress.update(done, total),
      onDifference: (run, listed) => {
        progress.clear();
        if (json) differences.push({ ...run, listed });
        else streams.out(`${blocksOf(run)}: differs${listed === false ? ', not listed as changed' : ''}\n`);
      },
    },
  );
  progress.clear();
  const { comparedBlocks, differingBlocks, sampledBlocks } = result;
  detail(`${comparedBlocks} blocks compared`);
  if (json) {
    const counts = { compared_blocks: comparedBlocks, sampled_blocks: sampledBlocks };
    printJson({ ...counts, differing_blocks: differingBlocks, seed, differences }, streams);
  } else {
    const chosen = sampledBlocks > 0 ? `, ${sampledBlocks} of them chosen by seed ${seed}` : '';
    say(`${comparedBlocks} blocks compared${chosen}: ${differingBlocks} differ\n`);
  }
  return differingBlocks === 0 ? 0 : DIFFERENT;
};

const places = ({ state, manifest }: ManifestOptions): { stateFile?: string; manifest?: string } => ({
  ...(state === undefined ? {} : { stateFile: state }),
  ...(manifest === undefined ? {} : { manifest }),
});

const make = (image: string, options: ManifestOptions, streams: Streams): number => {
  const { say, detail, progress: shows } = voiceOf('datto-verify', options, streams);
  const progress = new Progress(streams, shows);
  const made = makeManifest({ image, ...places(options) }, nativeSyscalls(), (done, total) =>
    progress.update(done, total),
  );
  progress.clear();
  detail(`${made.blocks} blocks read`);
  if (options.json) printJson(made, streams);
  else {
    say(`${oneLine(made.path)}: ${made.blocks} blocks\n`);
    streams.out(`root ${made.root}\n`);
  }
  return 0;
};

/** A finding in words, with its place. */
const findingLine = (finding: Finding): string => {
  const { offset } = finding;
  switch (finding.what) {
    case 'image':
      return `block ${finding.block} of the image has rotted, offset ${offset}`;
    case 'unreadable':
      return `block ${finding.block} of the image cannot be read, offset ${offset}: ${errnoText(finding.errno)}`;
    case 'sum':
      return `the manifest's XXH64 of block ${finding.block} has rotted, offset ${offset}; the block is right`;
    case 'tree': {
      const { level, index } = finding;
      const of = level === 0 ? `block ${index}` : `hash block ${index} of level ${level - 1}`;
      return `the manifest's digest of ${of} has rotted, offset ${offset}; the hashed block is right`;
    }
    case 'filling':
      return `the manifest has bytes that should be zero, offset ${offset}`;
    case 'header':
      return "the manifest's header has rotted, offset 0";
    case 'root':
      return 'the image and its tree do not lead to the root in the manifest';
  }
};

const scrub = (image: string, options: ManifestOptions, streams: Streams): number => {
  const { say, detail, progress: shows } = voiceOf('datto-verify', options, streams);
  const progress = new Progress(streams, shows);
  const findings: Finding[] = [];
  const result = scrubImage({ image, fast: options.fast === true, ...places(options) }, nativeSyscalls(), {
    onProgress: (done, total) => progress.update(done, total),
    onFinding: (finding) => {
      progress.clear();
      if (options.json) findings.push(finding);
      else streams.out(`${findingLine(finding)}\n`);
    },
  });
  progress.clear();
  const { blocks, rottenBlocks, manifestFlaws, root, header } = result;
  detail(`${blocks} blocks read`);
  if (options.json) {
    const of = header && { series: header.series.toString('hex'), sequence: header.sequence };
    printJson({ blocks, rotten_blocks: rottenBlocks, manifest_flaws: manifestFlaws, root, ...of, findings }, streams);
  } else {
    say(`${blocks} blocks read: ${rottenBlocks} rotten; ${manifestFlaws} flaws in the manifest\n`);
    if (root !== undefined) streams.out(`root ${root}\n`);
  }
  return rottenBlocks + manifestFlaws === 0 ? 0 : DIFFERENT;
};

const addCommon = (command: Command): Command =>
  addProgress(addVerbosity(command))
    .option('--json', 'print one JSON object on standard output')
    .helpOption('-h, --help', 'display help');

const addPlaces = (command: Command): Command =>
  addCommon(command)
    .argument('<image>', 'image, a file or a block device')
    .option('--state <file>', 'state file of the image, if not at its default path')
    .option('--manifest <file>', 'manifest of the image, if not at its default path');

/**
 * The command line: sub-commands, arguments and options.
 *
 * @param finish takes the exit status of a run that ended
 */
export const makeProgram = (streams: Streams, finish: (status: number) => void = () => undefined): Command => {
  const program = new Command('datto-verify')
    .description('Verify an image against its snapshot or its manifest, and restore points.')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
  addCommon(program.command('compare'))
    .description('compare an image with its snapshot, block by block')
    .argument('<snapshot>', 'snapshot, a device or a file')
    .argument('<image>', 'image, a file or a block device')
    .option('--cow <file>', 'compare the blocks that this COW file lists, and a sample of the others')
    .addOption(new Option('--sample <blocks>', 'number of unlisted blocks to compare').argParser(count).default(1000))
    .addOption(new Option('--seed <number>', 'seed that chooses the unlisted blocks').argParser(count))
    .option('--all', 'compare all blocks (the default without --cow)')
    .action((snapshot: string, image: string, options: CompareOptions) =>
      finish(compare(snapshot, image, options, streams)),
    );
  addPlaces(program.command('manifest'))
    .description('create the manifest of an image, and print its root hash')
    .action((image: string, options: ManifestOptions) => finish(make(image, options, streams)));
  addPlaces(program.command('scrub'))
    .description('compare an image with its manifest, and report every block that has rotted')
    .option('--fast', 'check only the quick hashes: rot in the manifest then looks like rot in the image')
    .action((image: string, options: ManifestOptions) => finish(scrub(image, options, streams)));
  addCommon(program.command('points'))
    .description('compare restore points with the sums of what was written, and report every block that has rotted')
    .argument('<target>', 'folder or address of the target, as for datto-restore')
    .argument('[points...]', 'names of points, the beginnings of names, or latest (default: all)')
    .action((target: string, points: readonly string[], options: PointsOptions) =>
      finish(verifyPoints(target, points, options, streams)),
    );
  return program;
};

/**
 * Runs datto-verify.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dattoVerify = (argv: readonly string[], streams: Streams): number => {
  let status = 0;
  const program = makeProgram(streams, (exitStatus) => {
    status = exitStatus;
  });
  try {
    if (argv.length === 0) throw new CommanderError(EINVAL, 'usage', 'no sub-command');
    program.parse(withProgressValue(argv), { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      streams.err(usageLine('datto-verify', error));
      return EINVAL;
    }
    reportFailure('datto-verify', error, argv.includes('--json'), streams);
    return error instanceof RefusalError && error.code === 'IMAGE_LOCKED' ? EBUSY : errnoOf(error) || EINVAL;
  }
};
