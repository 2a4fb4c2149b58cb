/**
 * datto-receive: keeps restore points for a datto-backup on another machine, and serves them to a datto-restore there
 * (docs/TARGETS.md). ssh starts it; messages come on standard input and go to standard output (host/targets/ssh/channel.ts).
 *
 * Exit status: 0 the other side has ended; 22 (EINVAL) for a wrong command line, or a point that cannot be served; else the
 * errno of what could not be opened, read or written.
 */
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { EINVAL, errnoOf } from '../host/errors.js';
import { receive } from '../host/receive/receive.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import { Channel } from '../host/targets/ssh/channel.js';
import type { Streams } from './terminal/terminal.js';
import { reportFailure, usageLine } from './terminal/terminal.js';
import { PACKAGE_VERSION } from './terminal/version.js';

const TOOL = 'datto-receive';
const [INPUT, OUTPUT] = [0, 1];

const run = (root: string): void => {
  if (isatty(INPUT)) {
    const found = 'standard input is a terminal, expected datto-backup or datto-restore';
    throw new CommanderError(EINVAL, 'usage', `${found}; hint: name ssh:HOST:/FOLDER there as the target`);
  }
  receive(new Channel(INPUT, OUTPUT, 'the other side'), root, nativeSyscalls());
};

/** The command line: arguments and options. */
export const makeProgram = (streams: Streams): Command =>
  new Command(TOOL)
    .description('Keep restore points for datto-backup on another machine.')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined })
    .argument('<root>', 'folder that has the folders of points, and outside of which none is used')
    .action(run);

/**
 * Runs datto-receive.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dattoReceive = (argv: readonly string[], streams: Streams): number => {
  try {
    makeProgram(streams).parse(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      streams.err(usageLine(TOOL, error));
      return EINVAL;
    }
    reportFailure(TOOL, error, false, streams);
    return errnoOf(error) || EINVAL;
  }
};
