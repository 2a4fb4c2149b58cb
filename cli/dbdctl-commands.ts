/** The sub-commands of dbdctl as a table: arguments, and the one ioctl of each. */
import type { Driver } from '../host/driver/driver.js';
import { MIB_BYTES } from '../host/layout.js';
import { U32_MAX, U64_MAX, ULONG_MAX } from './terminal/digits.js';

/** How an argument is read: as text, or as digits up to a bound. */
export type Reading = 'text' | bigint;

export interface Parameter {
  readonly name: string;
  readonly reading: Reading;
  /** Of a size: bytes of what digits alone count. */
  readonly unit?: bigint;
}

const BYTE = 1n;
const MIB = BigInt(MIB_BYTES);

export interface Option extends Parameter {
  readonly flag: string;
  readonly doc: string;
}

/** Arguments after reading, by name; the number of a missing option is 0. */
export interface Arguments {
  text(name: string): string;
  number(name: string): bigint;
}

export interface SubCommand {
  readonly name: string;
  readonly doc: string;
  readonly options: readonly Option[];
  readonly parameters: readonly Parameter[];
  /** Of a group: the sub-command that does the same for one member. The parameters are given once for each. */
  readonly ofEach?: string;
  /** `members`: the arguments of each member; of one that is no group, `args` alone. */
  readonly run: (driver: Driver, args: Arguments, members: readonly Arguments[]) => void;
}

const MINOR: Parameter = { name: 'minor', reading: U32_MAX };
const BLOCK_DEVICE: Parameter = { name: 'block device', reading: 'text' };
const COW_FILE: Parameter = { name: 'cow file', reading: 'text' };
const CACHE: Option = {
  flag: '-c',
  name: 'cache size',
  reading: ULONG_MAX,
  unit: BYTE,
  doc: 'limit of the index cache, in bytes or as 64M',
};
const FALLOCATE: Option = {
  flag: '-f',
  name: 'fallocate',
  reading: ULONG_MAX,
  unit: MIB,
  doc: 'size of the COW file, in MiB or as 4G',
};
const RESERVED: Option = {
  flag: '-r',
  name: 'reserved space',
  reading: U64_MAX,
  unit: MIB,
  doc: 'space of the filesystem to leave free, in MiB or as 4G',
};

const minorOf = (args: Arguments): number => Number(args.number('minor'));

const setupOf = (args: Arguments): Parameters<Driver['setupSnapshot']>[0] => ({
  ...reloadOf(args),
  fallocateMib: args.number('fallocate'),
});

const reloadOf = (args: Arguments): Parameters<Driver['reloadSnapshot']>[0] => ({
  minor: minorOf(args),
  blockDevice: args.text('block device'),
  cowFile: args.text('cow file'),
  cacheBytes: args.number('cache size'),
});

export const SUB_COMMANDS: readonly SubCommand[] = [
  {
    name: 'setup-snapshot',
    doc: 'start a snapshot of a mounted block device',
    options: [CACHE, FALLOCATE],
    parameters: [BLOCK_DEVICE, COW_FILE, MINOR],
    run: (driver, args) => driver.setupSnapshot(setupOf(args)),
  },
  {
    name: 'reload-snapshot',
    doc: 'resume a snapshot before its block device is mounted read-write',
    options: [CACHE],
    parameters: [BLOCK_DEVICE, COW_FILE, MINOR],
    run: (driver, args) => driver.reloadSnapshot(reloadOf(args)),
  },
  {
    name: 'reload-incremental',
    doc: 'resume an incremental before its block device is mounted read-write',
    options: [CACHE],
    parameters: [BLOCK_DEVICE, COW_FILE, MINOR],
    run: (driver, args) => driver.reloadIncremental(reloadOf(args)),
  },
  {
    name: 'destroy',
    doc: 'stop tracking, and remove the COW file of an active device',
    options: [],
    parameters: [MINOR],
    run: (driver, args) => driver.destroy(minorOf(args)),
  },
  {
    name: 'transition-to-incremental',
    doc: 'end the snapshot, and only track which blocks change',
    options: [],
    parameters: [MINOR],
    run: (driver, args) => driver.transitionToIncremental(minorOf(args)),
  },
  {
    name: 'transition-to-snapshot',
    doc: "start the series' next snapshot",
    options: [FALLOCATE],
    parameters: [COW_FILE, MINOR],
    run: (driver, args) => driver.transitionToSnapshot(minorOf(args), args.text('cow file'), args.number('fallocate')),
  },
  {
    name: 'reconfigure',
    doc: 'set the limit of the index cache',
    options: [CACHE],
    parameters: [MINOR],
    run: (driver, args) => driver.reconfigure(minorOf(args), args.number('cache size')),
  },
  {
    name: 'expand-cow-file',
    doc: 'add space to the COW file, in MiB or as 4G',
    options: [],
    parameters: [{ name: 'size', reading: U64_MAX, unit: MIB }, MINOR],
    run: (driver, args) => driver.expandCowFile(minorOf(args), args.number('size')),
  },
  {
    name: 'reconfigure-auto-expand',
    doc: 'let the COW file grow by itself, in steps of so many MiB, or as 4G; 0 turns this off',
    options: [RESERVED],
    parameters: [{ name: 'step size', reading: U64_MAX, unit: MIB }, MINOR],
    run: (driver, args) =>
      driver.reconfigureAutoExpand(minorOf(args), args.number('step size'), args.number('reserved space')),
  },
  {
    name: 'setup-snapshot-group',
    doc: 'start snapshots of several mounted block devices at one instant',
    options: [CACHE, FALLOCATE],
    parameters: [BLOCK_DEVICE, COW_FILE, MINOR],
    ofEach: 'setup-snapshot',
    run: (driver, _, members) => driver.setupSnapshotGroup(members.map(setupOf)),
  },
  {
    name: 'transition-to-snapshot-group',
    doc: 'start the next snapshots of several series at one instant',
    options: [FALLOCATE],
    parameters: [COW_FILE, MINOR],
    ofEach: 'transition-to-snapshot',
    run: (driver, _, members) =>
      driver.transitionToSnapshotGroup(
        members.map((args) => ({
          minor: minorOf(args),
          cowFile: args.text('cow file'),
          fallocateMib: args.number('fallocate'),
        })),
      ),
  },
];

/** Options and parameters of a sub-command, on one line. */
export const synopsis = ({ options, parameters, ofEach }: SubCommand): string => {
  const words = parameters.map((parameter) => `<${parameter.name}>`).join(' ');
  return [
    ...options.map((option) => `[${option.flag} <${option.name}>]`),
    ofEach === undefined ? words : `${words} [${words}]...`,
  ].join(' ');
};

/** Usage as scripts know it: one line per sub-command, then notes. */
export const usage = (): string =>
  [
    'Usage:',
    ...SUB_COMMANDS.map((command) => `\tdbdctl ${command.name} ${synopsis(command)}`),
    '\tdbdctl help',
    '',
    'Give the path of a COW file as an absolute path.',
    'The cache size is in bytes, fallocate is in megabytes (MiB).',
    'Sizes of expand-cow-file and reconfigure-auto-expand are in megabytes (MiB). K, M, G or T after a size: KiB to TiB.',
    'An option that is left out stands for the default of the driver.',
    '',
  ].join('\n');
