/** The options of a backup, and the request that they make. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { HOOK_SECONDS } from '../../host/backup/hooks.js';
import type { BackupRequest } from '../../host/backup/request.js';
import { hookFolder } from '../../host/config/config.js';
import { addCheckpoint, count, hookCommand, keepRules, mib, rate, timeLimit } from '../terminal/options.js';
import { addProgress } from '../terminal/progress.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { addVerbosity } from '../terminal/verbosity.js';

/** Options of each run, however the rest is configured. */
export interface RunOptions extends VerbosityOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly whole?: boolean;
  readonly restart?: boolean;
  readonly rate?: number;
  readonly before?: string;
  readonly after?: string;
  readonly hookLimit?: number;
}

export interface Options extends RunOptions {
  readonly keep?: string;
  readonly keepPrevious: NonNullable<BackupRequest['keepPrevious']>;
  readonly verify: NonNullable<BackupRequest['verify']>;
  readonly sample: number;
  readonly manifest?: boolean;
  readonly minor?: number;
  readonly cowFolder?: string;
  /** MiB. */
  readonly cowSize: number;
  /** Bytes. */
  readonly checkpoint?: number;
}

export const addRunOptions = (command: Command): Command =>
  addProgress(addVerbosity(command))
    .option('-n, --dry-run', 'show what would be done, change nothing')
    .option('--json', 'print one JSON object on standard output')
    .option('--whole', 'make a full copy even if an incremental backup is possible')
    .option('--no-whole', 'exit with status 4 if a full copy is needed')
    .option('--restart', "destroy the folder's device if it has failed, and start a new series with a full backup")
    .addOption(
      new Option('--rate <size>', 'copy and compare at most so many MiB per second, or as 500K').argParser(rate),
    )
    .addOption(
      new Option(
        '--before <command>',
        'run a program before the snapshot is taken; if it fails, none is taken (see HOOKS)',
      ).argParser(hookCommand),
    )
    .addOption(
      new Option(
        '--after <command>',
        'run a program once the snapshot is taken, or could not be (see HOOKS)',
      ).argParser(hookCommand),
    )
    .addOption(
      new Option('--hook-limit <time>', `how long each hook may take: 10s, 2min (default: ${HOOK_SECONDS}s)`).argParser(
        timeLimit,
      ),
    );

/** Adds what a configuration has as keys of the same names. */
export const addRequestOptions = (command: Command): Command =>
  addCheckpoint(
    command
      .addOption(
        new Option(
          '--keep <rules>',
          'keep restore points instead of one image: latest3,days7,weeks4,months12',
        ).argParser(keepRules),
      )
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
        new Option('--cow-size <size>', 'size of the COW file in MiB, or as 4G; 0 for a tenth of the volume')
          .argParser(mib)
          .default(0),
      ),
    'note',
  );

/** What one run adds to any request. */
const ofRun = ({ whole, restart, rate: most, before, after, hookLimit }: RunOptions): Partial<BackupRequest> => ({
  hookFolder: hookFolder(),
  ...(whole === undefined ? {} : { whole }),
  ...(restart === undefined ? {} : { restart }),
  ...(most === undefined ? {} : { rate: most }),
  ...(before === undefined ? {} : { before }),
  ...(after === undefined ? {} : { after }),
  ...(hookLimit === undefined ? {} : { hookSeconds: hookLimit }),
});

/** The request of a command line. */
export const requestOf = ([volume = '', folder = '']: readonly string[], options: Options): BackupRequest => ({
  volume,
  folder,
  ...ofRun(options),
  ...(options.keep === undefined ? {} : { keep: options.keep }),
  keepPrevious: options.keepPrevious,
  verify: options.verify,
  sample: options.sample,
  manifest: options.manifest === true,
  ...(options.minor === undefined ? {} : { minor: options.minor }),
  ...(options.cowFolder === undefined ? {} : { cowFolder: options.cowFolder }),
  cowMib: options.cowSize,
  ...(options.checkpoint === undefined ? {} : { checkpointBytes: options.checkpoint }),
});

/** A configured request, with what the command line of one run adds. */
export const requestWith = (configured: BackupRequest, options: RunOptions): BackupRequest => ({
  ...configured,
  ...ofRun(options),
});
