/** dbdctl: one sub-command, one ioctl. Exit status 0, or 255 for every failure (docs/COMMANDS.md, F.1 and F.2). */
import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { Driver, GroupError } from '../host/driver/driver.js';
import type { DriverStatus } from '../host/driver/status.js';
import { readStatus } from '../host/driver/status.js';
import { type Request, reasonText, whyRefused } from '../host/driver/why-refused.js';
import { EINVAL, errnoText, RefusalError, SystemError } from '../host/errors.js';
import { CONTROL_NODE, GROUP_MAX } from '../host/layout.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import type { Arguments, Parameter, SubCommand } from './dbdctl-commands.js';
import { SUB_COMMANDS, synopsis, usage } from './dbdctl-commands.js';
import { DigitsError, parseDigits, parseSize, U32_MAX } from './terminal/digits.js';
import { oneLine } from './terminal/printable.js';
import { statusJson, statusTable } from './terminal/status-table.js';
import type { Streams } from './terminal/terminal.js';
import { errorLine } from './terminal/terminal.js';
import type { VerbosityOptions } from './terminal/verbosity.js';
import { addVerbosity, voiceOf } from './terminal/verbosity.js';
import { PACKAGE_VERSION } from './terminal/version.js';

export const FAILURE = 255;

/** The command line is wrong. The message ends with the text of `errno`. */
class UsageError extends Error {
  readonly errno: number;
  readonly detail: string | undefined;

  constructor(subCommand: string, errno: number, detail?: string) {
    super(`cannot read the parameters of ${subCommand}: ${errnoText(errno)}`);
    this.errno = errno;
    this.detail = detail;
  }
}

/** The driver refused a request. */
class RefusedRequest extends Error {
  constructor(command: string, why: string, errno: number) {
    super(`cannot ${command}: ${why}: ${errnoText(errno)}`);
  }
}

const SEE_LOG = 'see the kernel log (dmesg)';

const whyOf = (request: Request, errno: number): string => {
  const reason = whyRefused(request, errno);
  return reason === undefined ? SEE_LOG : reasonText(reason);
};

const read = (text: string, { reading, unit }: Parameter): string | bigint => {
  if (reading === 'text') return text;
  return unit === undefined ? parseDigits(text, reading) : parseSize(text, reading, unit);
};

/** The message of getopt(3), which scripts may look for. */
const optionMessage = ({ name }: SubCommand, error: CommanderError): string | undefined => {
  const flag = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const letter = /^-?([^-\s])/.exec(flag)?.[1] ?? flag;
  if (error.code === 'commander.optionMissingArgument') return `${name}: option requires an argument -- '${letter}'`;
  if (error.code !== 'commander.unknownOption') return undefined;
  return flag.startsWith('--') ? `${name}: unrecognized option '${flag}'` : `${name}: invalid option -- '${letter}'`;
};

/** Reads the arguments of each member; without a group there is one. Their number is checked before each of them. */
const readArguments = (
  { name, parameters, ofEach }: SubCommand,
  texts: readonly string[],
  options: ReadonlyMap<string, bigint>,
): Arguments[] => {
  const members = texts.length / parameters.length;
  const most = ofEach === undefined ? 1 : GROUP_MAX;
  if (!Number.isInteger(members) || members < 1 || members > most) throw new UsageError(name, EINVAL);
  return Array.from({ length: members }, (_, member) => {
    const values = new Map<string, string | bigint>(options);
    parameters.forEach((parameter, at) => {
      values.set(parameter.name, read(texts[member * parameters.length + at] ?? '', parameter));
    });
    return {
      text: (key) => String(values.get(key) ?? ''),
      number: (key) => BigInt(values.get(key) ?? 0n),
    };
  });
};

const withUsageErrors = <T>(command: SubCommand, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    if (error instanceof DigitsError) throw new UsageError(command.name, error.errno);
    if (error instanceof CommanderError && error.exitCode !== 0) {
      throw new UsageError(command.name, EINVAL, optionMessage(command, error));
    }
    throw error;
  }
};

const withReasons = (command: SubCommand, members: readonly Arguments[], run: () => void): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof SystemError) || error.subject !== CONTROL_NODE) throw error;
    throw new RefusedRequest(command.name, whyRefusedOf(command, members, error), error.errno);
  }
};

const whyRefusedOf = (command: SubCommand, members: readonly Arguments[], error: SystemError): string => {
  const { name, parameters, ofEach } = command;
  const has = (parameter: string): boolean => parameters.some((candidate) => candidate.name === parameter);
  const isGroupError = error instanceof GroupError;
  const args = members[isGroupError ? (error.member ?? -1) : 0];
  if (args === undefined) return `${SEE_LOG}; no snapshot was taken`;
  const minor = args.number('minor');
  if (isGroupError && error.taken)
    return `minor ${minor} failed after all snapshots were taken; hint: \`dbdctl status\` shows those that are sound`;
  const request = {
    command: ofEach ?? name,
    minor,
    ...(has('block device') ? { blockDevice: args.text('block device') } : {}),
    ...(has('cow file') ? { cowFile: args.text('cow file') } : {}),
  };
  const why = whyOf(request, error.errno);
  return isGroupError ? `no snapshot was taken, because of minor ${minor}: ${why}` : why;
};

const addSubCommand = (program: Command, command: SubCommand, driver: Driver, streams: Streams): void => {
  const options = new Map<string, bigint>();
  const sub = program
    .command(command.name)
    .description(command.doc)
    .argument('[arguments...]')
    .helpOption('--help', 'display help');
  // Without options, a word that begins with a dash is an argument too.
  if (command.options.length === 0) sub.allowUnknownOption();
  for (const option of command.options) {
    const { flag, name, doc } = option;
    sub.option(`${flag} <${name.replaceAll(' ', '-')}>`, doc, (text: string) => {
      const value = read(text, option);
      if (typeof value === 'bigint') options.set(name, value);
      return text;
    });
  }
  addVerbosity(sub).usage(synopsis(command));
  sub.action((texts: string[], verbosity: VerbosityOptions) => {
    const members = withUsageErrors(command, () => readArguments(command, texts, options));
    const [args] = members as [Arguments];
    const { detail } = voiceOf('dbdctl', verbosity, streams);
    detail(`${command.name} of minor ${members.map((member) => member.number('minor')).join(', ')}`);
    withReasons(command, members, () => command.run(driver, args, members));
    detail(`the driver has completed ${command.name}`);
  });
};

/** The command line: sub-commands, arguments and options. */
export const makeProgram = (streams: Streams): Command => {
  const driver = new Driver(nativeSyscalls());
  const program = new Command('dbdctl')
    .description('Control live block-level snapshots and incremental tracking of block devices.')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
  for (const command of SUB_COMMANDS) addSubCommand(program, command, driver, streams);
  program
    .command('status')
    .description('show the devices, the meaning of their states, what to do next, and what a crash would cost')
    .argument('[minor]', 'show this device only')
    .option('--json', 'print JSON: the keys of /proc/datto-info, and explanations')
    .action((text: string | undefined, { json }: { json?: boolean }) => {
      const status = statusOf(text === undefined ? undefined : readMinor(text));
      streams.out(json ? statusJson(status) : statusTable(status));
    });
  program
    .command('help')
    .description('show the usage of the sub-commands')
    .allowExcessArguments()
    .allowUnknownOption()
    .action(() => streams.out(usage()));
  return program;
};

const readMinor = (text: string): bigint => {
  try {
    return parseDigits(text, U32_MAX);
  } catch (error) {
    throw error instanceof DigitsError ? new UsageError('status', error.errno) : error;
  }
};

/** The status of all devices, or of one. */
const statusOf = (minor: bigint | undefined): DriverStatus => {
  const { version, devices } = readStatus();
  if (minor === undefined) return { version, devices };
  const chosen = devices.filter((device) => BigInt(device.minor) === minor);
  if (chosen.length > 0) return { version, devices: chosen };
  const used = devices.length === 0 ? 'none' : devices.map((device) => device.minor).join(', ');
  throw new RefusalError('MINOR_UNUSED', `cannot show minor ${minor}: it is not used; used: ${used}`);
};

const isInformation = (argv: readonly string[]): boolean =>
  ['--help', '-h', '--version', '-V'].includes(argv[0] ?? '') || argv[1] === '--help';

const run = (argv: readonly string[], streams: Streams): void => {
  const program = makeProgram(streams);
  const command = SUB_COMMANDS.find(({ name }) => name === argv[0]);
  const parse = (): unknown => program.parse(argv, { from: 'user' });
  if (command) withUsageErrors(command, parse);
  else parse();
};

/** Prints one line about an error; for a wrong command line, the usage on standard output too. */
const report = (error: unknown, argv: readonly string[], streams: Streams): void => {
  if (error instanceof UsageError) {
    if (error.detail !== undefined) streams.err(`${error.detail}\n`);
    streams.err(`dbdctl: ${error.message}\n`);
    streams.out(usage());
  } else if (error instanceof CommanderError) {
    streams.err(`dbdctl: cannot do ${argv[0] ?? ''}: ${errnoText(EINVAL)}\n`);
    streams.out(usage());
  } else if (error instanceof RefusedRequest) {
    streams.err(`dbdctl: ${oneLine(error.message)}\n`);
  } else {
    streams.err(`dbdctl: ${errorLine(error)}\n`);
  }
};

/**
 * Runs dbdctl.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dbdctl = (argv: readonly string[], streams: Streams): number => {
  if (argv.length === 0) {
    streams.out(usage());
    return FAILURE;
  }
  if (!isInformation(argv) && !existsSync(CONTROL_NODE)) {
    streams.err(`dbdctl: the driver is not loaded, there is no ${CONTROL_NODE}: ${errnoText(EINVAL)}\n`);
    return FAILURE;
  }
  try {
    run(argv, streams);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    report(error, argv, streams);
    return FAILURE;
  }
};
