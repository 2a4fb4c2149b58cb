/**
 * datto-backup: backs a volume up into a folder, again and again (docs/BACKUP.md).
 *
 * Exit status: 0 the image is the volume, as of this run; 3 it was found to differ; 4 the administrator must decide;
 * 5 (EIO) blocks could not be copied; 16 (EBUSY) another run is in progress, or the snapshot is open; 19 (ENODEV) no
 * driver; 22 (EINVAL) wrong command line, configuration or volume; 28 (ENOSPC) no space; 125 (ECANCELED) a hook failed;
 * else the errno of the call that failed.
 */

import { Command, CommanderError } from 'commander';
import { EINVAL } from '../host/errors.js';
import type { Choose } from './backup/configured.js';
import { addConfigured } from './backup/configured.js';
import type { Options } from './backup/options.js';
import { addRequestOptions, addRunOptions, requestOf } from './backup/options.js';
import { backUp, exitStatus, report, showPlan } from './backup/run.js';
import { withProgressValue } from './terminal/progress.js';
import type { Streams } from './terminal/terminal.js';
import { parseCommandLine, reportFailure, usageLine } from './terminal/terminal.js';
import { PACKAGE_VERSION } from './terminal/version.js';

/**
 * The command line: arguments and options, and sub-commands for what is configured in files.
 *
 * @param choose takes what a sub-command does
 */
export const makeProgram = (streams: Streams, choose: Choose = () => undefined): Command => {
  const program = new Command('datto-backup')
    .description('Back up a volume: a full backup on the first run, then only what changed since the last run.')
    .usage('[options] <block device> <folder>')
    .argument('[block device]', 'the volume to back up: mounted, ext4 or xfs')
    .argument('[folder]', 'folder for its images, on another disk; or the address of another target (see TARGETS)')
    .helpCommand(false)
    .allowExcessArguments()
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined })
    // What is no sub-command is a block device.
    .action(() => undefined);
  addRequestOptions(addRunOptions(program))
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help');
  addConfigured(program, streams, choose);
  return program;
};

/** The words of the command line are a block device and a folder. */
const backUpVolume = (paths: readonly string[], options: Options, streams: Streams): number => {
  const asked = [{ request: requestOf(paths, options) }];
  return options.dryRun ? showPlan(asked, options, streams) : report(backUp(asked, options, streams), options, streams);
};

/** Reads the command line of a sub-command; returns the exit status if there is nothing to run. */
const parseSubCommand = (program: Command, argv: readonly string[], streams: Streams): number | undefined => {
  try {
    program.parse(argv, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    streams.err(usageLine('datto-backup', error));
    return EINVAL;
  }
};

/**
 * Runs datto-backup.
 *
 * @param words arguments without the program
 * @returns the exit status
 */
export const dattoBackup = (words: readonly string[], streams: Streams): number => {
  const argv = withProgressValue(words);
  let chosen: (() => number) | undefined;
  const program = makeProgram(streams, (run) => {
    chosen = run;
  });
  const isSubCommand = program.commands.some((command) => command.name() === argv[0]);
  const wrong = (): string | undefined => {
    if (chosen) return `options before '${program.args[0]}', expected them after it`;
    const { length } = program.args;
    return length === 2 ? undefined : `${length} arguments, expected a block device and a folder`;
  };
  const done = isSubCommand ? parseSubCommand(program, argv, streams) : parseCommandLine(program, argv, streams, wrong);
  if (done !== undefined) return done;
  const options = program.opts<Options>();
  const isJson = isSubCommand ? argv.includes('--json') : options.json;
  try {
    return chosen ? chosen() : backUpVolume(program.args, options, streams);
  } catch (error) {
    reportFailure('datto-backup', error, isJson, streams);
    return exitStatus(error);
  }
};
