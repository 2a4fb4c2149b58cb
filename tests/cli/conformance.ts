/** Every tool and each of its commands, as rows of one table; conformance.test.ts puts each row through every case. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { SUB_COMMANDS } from '../../cli/dbdctl-commands.js';
import { writeState } from '../../host/image/state.js';
import { makeCowFile } from '../host/cow-maker.js';
import { makeIncremental, makeScene, randomBlocks } from '../host/inspect/golden.js';
import {
  assertGood,
  backUp,
  CONFIG,
  configure,
  FAKES,
  FOLDER,
  machine,
  makeMachine,
  VOLUME,
  writeVolume,
} from './backup-scene.js';
import { at, type Fakes, folder, runTool, type Tool } from './tool.js';
import { COW, IMAGE, INFO, makeScene as makeUpdateScene, SNAP, SNAPSHOT } from './update-scene.js';

const NR_SECTORS = 32768;

/** Exit statuses of a tool, as its manual tells them. */
export interface Statuses {
  readonly usage: number;
  /** An errno of an input or an output. */
  readonly errno: (errno: number) => number;
  /** Inputs that do not fit. */
  readonly refused: number;
  /** Standard output has no reader. */
  readonly readerGone: number;
}

/** What can be wrong with an input: there is none, its disk fails, it ends after 40 bytes. */
export type Fault = 'missing' | 'badDisk' | 'truncated';

export interface Row {
  readonly tool: Tool;
  /** Sub-command and options; operands follow. */
  readonly command: readonly string[];
  readonly statuses: Statuses;
  /** Files that are read, by what a run calls them. */
  readonly inputs: Readonly<Record<string, string>>;
  /** What must be there beside the inputs, made anew before each run. */
  readonly prepare?: () => void;
  /** Operands and fakes of a run that is right, on those inputs or on others in their place. */
  readonly run: (inputs: Readonly<Record<string, string>>, output: string) => { args: string[]; fakes?: Fakes };
  /** Exit statuses of an input where they are not what is common; undefined: there is nothing to see. */
  readonly expects?: Readonly<Record<string, Partial<Record<Fault, number | undefined>>>>;
  /** It writes a file. */
  readonly writes?: boolean;
  /** Exit status where it finds no space. */
  readonly full?: number;
  /** Exit status of a run that finds all done by one that was interrupted, if that is none of success. */
  readonly allDone?: number;
  /** Exit status of each run on right inputs, if they can be had by mounts only and are refused here (tests/host/restore). */
  readonly refused?: number;
  /** What must be right after an interrupted run was followed by one that was not. */
  readonly proves?: () => void;
  /** What it opens, and is interrupted at, if no input. */
  readonly opens?: string;
  /** What it says on standard output before it begins, also if it fails then. */
  readonly announces?: RegExp;
  /** What an interrupted run may leave, as the manual's FILES tell it. */
  readonly leaves?: RegExp;
  /** A wrong command line is answered as the classic tool does: its usage, on that stream; or not at all if it is one. */
  readonly usageOn?: 'stdout' | 'stderr';
  /** Every word is an operand for it, or it takes any. */
  readonly takesAnything?: boolean;
}

const [INC, INC2, SNAPSHOT_MODE, BASE, EXT4] = ['inc.datto', 'inc2.datto', 'snap.datto', 'base.img', 'ext4.img'].map(
  at,
) as [string, string, string, string, string];
const STATUS = at('conformance-status');
const RESTORABLE = at('restorable');
/** The same with a manifest. */
const VERIFIABLE = at('verifiable');
const RESULT = at('conformance-result');

const made = new Map<string, Buffer>();

/** Makes every input, or brings back those that a run changed; then what the row needs besides. */
export const makeInputs = ({ prepare }: Row): void => {
  makeFiles();
  prepare?.();
};

const makeFiles = (): void => {
  if (made.size === 0) {
    makeAll();
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isFile()) made.set(entry.name, readFileSync(at(entry.name)));
    }
    return;
  }
  for (const name of readdirSync(folder)) if (/^image\./.test(name)) rmSync(at(name));
  for (const [name, bytes] of made) if (!readFileSync(at(name)).equals(bytes)) writeFileSync(at(name), bytes);
};

const makeAll = (): void => {
  makeMachine();
  makeUpdateScene();
  const changed = randomBlocks(200, NR_SECTORS / 8, 3);
  makeScene(BASE, SNAPSHOT_MODE, { nrSectors: NR_SECTORS, changed }, 5);
  makeIncremental(INC, { nrSectors: NR_SECTORS, changed, seqid: 4n });
  makeIncremental(INC2, { nrSectors: NR_SECTORS, changed: changed.slice(50), seqid: 5n });
  rmSync(EXT4, { force: true });
  writeFileSync(EXT4, '');
  truncateSync(EXT4, NR_SECTORS * 512);
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', EXT4]);
  writeFileSync(STATUS, '{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n');
  writeFileSync(RESULT, '{"compared_blocks":7,"sampled_blocks":1,"differing_blocks":0,"seed":5,"differences":[]}\n');
  rmSync(at('folder'), { recursive: true, force: true });
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('folder/fifo')]);
  const listen = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  spawnSync(process.execPath, ['-e', listen, at('folder/socket')]);
  // The image of `compare` and `scrub`: not that of update-img, which one of the cases changes.
  for (const name of ['kept', 'kept.datto-manifest']) rmSync(at(name), { force: true });
  execFileSync('cp', [SNAP, at('kept')]);
  runTool('datto-verify', ['manifest', at('kept')]);
  execFileSync('cp', [SNAP, RESTORABLE]);
  const { size: bytes, mtimeNs: mtime } = statSync(RESTORABLE, { bigint: true });
  const identity = { series: '1'.repeat(32), sequence: 5n, bytes: Number(bytes), mtime };
  writeState(`${RESTORABLE}.datto-state`, { state: 'CLEAN', ...identity });
  for (const path of [VERIFIABLE, `${VERIFIABLE}.datto-manifest`]) rmSync(path, { force: true });
  execFileSync('cp', ['-p', RESTORABLE, VERIFIABLE]);
  writeState(`${VERIFIABLE}.datto-state`, { state: 'CLEAN', ...identity });
  runTool('datto-verify', ['manifest', VERIFIABLE]);
  makeCowFile(at('cow2'), { nrSectors: 4096, entries: [[1, 1n]] });
};

const inspectStatuses: Statuses = { usage: 2, errno: () => 1, refused: 1, readerGone: 1 };
const errnoStatuses: Statuses = { usage: 22, errno: (errno) => errno, refused: 22, readerGone: 0 };
const dbdctlStatuses: Statuses = { usage: 255, errno: () => 255, refused: 255, readerGone: 0 };

type Rest = Partial<Omit<Row, 'tool' | 'statuses' | 'command' | 'inputs' | 'run'>>;

const inspect = (
  command: string,
  inputs: Record<string, string>,
  operands: (inputs: Readonly<Record<string, string>>, output: string) => string[],
  rest: Rest = {},
): Row => ({
  ...{ tool: 'datto-inspect', statuses: inspectStatuses, command: command.split(' '), inputs },
  run: (paths, output) => ({ args: operands(paths, output) }),
  ...rest,
});

const verify = (command: string, inputs: Record<string, string>, operands: Row['run'], rest: Rest = {}): Row => ({
  ...{ tool: 'datto-verify', statuses: errnoStatuses, command: command.split(' '), inputs, run: operands },
  ...rest,
});

const UPDATE_FAKES: Fakes = { FAKE_DRIVER: '1', FAKE_SNAPSHOT: SNAP, FAKE_INFO: INFO };

const update = (command: string[], inputs: Record<string, string>, rest: Rest = {}): Row => ({
  ...{ tool: 'update-img', statuses: errnoStatuses, command, inputs, writes: true, usageOn: 'stderr' },
  run: ({ cow = COW, image = IMAGE }) => ({
    args: [SNAPSHOT, cow, image],
    fakes: UPDATE_FAKES,
  }),
  ...{
    leaves: /\.datto-(state|(undo|previous)-1)(\.[0-9a-f]{16}\.partial)?$/,
    announces: /^(snapshot is .*\ncopying blocks\n)?$/,
  },
  ...rest,
});

/** A row of datto-backup. Its volume is a regular file, which the fakes show as a device by another name. */
const backup = (command: string[], prepare: () => void, rest: Rest = {}): Row => ({
  ...{
    tool: 'datto-backup',
    statuses: errnoStatuses,
    command,
    inputs: { volume: machine('origin') },
    usageOn: 'stderr',
  },
  prepare,
  run: ({ volume = '' }) => ({ args: [volume === machine('origin') ? VOLUME : volume, FOLDER], fakes: FAKES }),
  ...rest,
});
const BACKUP_WRITES: Rest = {
  ...{ writes: true, proves: assertGood, announces: /^((full copy of|incremental,) .*\n)?$/ },
  leaves:
    /^(backups\/(\.?volume\.img[a-z0-9.-]*|\.?datto-backup\.json[a-z0-9.]*)|machine\/mount\/\.datto-backup-files\/(cow-[0-9a-f]{16}|\.?volume\.json[a-z0-9.]*))$/,
};
const makeChanges = (): void => {
  makeMachine();
  backUp();
  writeVolume([5, 6, 700]);
};

const makeConfigured = (): void => {
  makeMachine();
  configure();
};
const makeRun = (): void => {
  makeConfigured();
  runTool('datto-backup', ['run', 'data'], FAKES);
};
/** A row of what is configured in a file, which names the volume. */
const configured = (command: string[], rest: Rest = {}): Row => ({
  ...{ tool: 'datto-backup', statuses: errnoStatuses, command, inputs: { volume: machine('origin') } },
  prepare: makeConfigured,
  run: ({ volume = '' }) => {
    configure('', volume === machine('origin') ? VOLUME : volume);
    return { args: ['data'], fakes: FAKES };
  },
  ...rest,
});
/** A row that reads configurations only. */
const reading = (command: string[]): Row => ({
  ...configured(command, { opens: CONFIG }),
  ...{ inputs: {}, run: () => ({ args: [], fakes: FAKES }) },
});

/** A row of datto-restore. Its image holds no filesystem. */
const restore = (command: string, operands: (output: string) => readonly string[], rest: Rest = {}): Row => ({
  ...{ tool: 'datto-restore', statuses: errnoStatuses, command: command.split(' '), inputs: { target: RESTORABLE } },
  run: ({ target = '' }, output) => ({ args: [target, ...operands(output)] }),
  ...rest,
});
const makeMountPoint = (): void => void mkdirSync(at('mounted'), { recursive: true });
const assertRestored = (): void => {
  if (!readFileSync(at('output')).equals(readFileSync(RESTORABLE))) throw new Error('the copy differs');
};

const all = (inputs: Readonly<Record<string, string>>): string[] => Object.values(inputs);
/** The image tells the origin's size, and is not read. */
const SIZE_ONLY: Rest = { expects: { base: { badDisk: undefined } } };
const PARTIAL = /^\..*\.[0-9a-f]{16}\.partial$/;

export const rows: readonly Row[] = [
  ...SUB_COMMANDS.map(
    ({ name, parameters, options }): Row => ({
      ...{
        tool: 'dbdctl',
        statuses: dbdctlStatuses,
        command: [name],
        inputs: {},
        usageOn: 'stdout',
        opens: '/dev/datto-ctl',
      },
      run: () => ({
        args: parameters.map(({ reading }) => (reading === 'text' ? '/some/path' : '7')),
        fakes: { FAKE_DRIVER: '1' },
      }),
      // Without options, what begins with a dash is an operand.
      takesAnything: options.length === 0,
    }),
  ),
  {
    ...{ tool: 'dbdctl', statuses: dbdctlStatuses, command: ['status'], inputs: { status: STATUS }, usageOn: 'stdout' },
    run: ({ status = '' }) => ({ args: [], fakes: { FAKE_DRIVER: '1', FAKE_STATUS: status } }),
  },
  {
    ...{ tool: 'dbdctl', statuses: dbdctlStatuses, command: ['help'], inputs: {}, takesAnything: true },
    run: () => ({ args: [], fakes: { FAKE_DRIVER: '1' } }),
  },
  backup(['--dry-run'], makeMachine),
  backup(['--checkpoint', '1'], makeMachine, BACKUP_WRITES),
  backup(['--keep-previous', 'undo'], makeChanges, BACKUP_WRITES),
  configured(['run', '--dry-run']),
  configured(['run'], BACKUP_WRITES),
  configured(['end']),
  {
    ...{ tool: 'datto-backup', statuses: errnoStatuses, command: ['targets'], inputs: { volume: machine('origin') } },
    prepare: makeChanges,
    run: ({ volume = '' }) => ({ args: [volume === machine('origin') ? VOLUME : volume], fakes: FAKES }),
  },
  {
    ...{ tool: 'datto-receive', statuses: errnoStatuses, command: [], inputs: {} },
    run: () => ({ args: [FOLDER] }),
  },
  reading(['check-config']),
  { ...reading(['status']), prepare: makeRun },
  update(['--keep-previous'], { cow: COW, image: IMAGE }, { full: 22 }),
  update(['--no-safety-clone'], {}),
  {
    ...{ tool: 'update-img', statuses: errnoStatuses, command: ['--status'], inputs: { image: at('kept') } },
    run: ({ image = '' }) => ({ args: [image] }),
    ...{ usageOn: 'stderr', expects: { image: { truncated: undefined, badDisk: undefined } } },
  },
  {
    ...{
      tool: 'update-img',
      statuses: errnoStatuses,
      command: ['--rollback'],
      inputs: { image: IMAGE },
      usageOn: 'stderr',
    },
    prepare: () => void runTool('update-img', ['--keep-previous', SNAPSHOT, COW, IMAGE], UPDATE_FAKES),
    run: ({ image = '' }) => ({ args: [image] }),
    // It is written only; then there is nothing to go back to.
    ...{
      expects: { image: { badDisk: undefined } },
      writes: true,
      allDone: 22,
      leaves: /^\.image\.datto-state\.[0-9a-f]{16}\.partial$/,
    },
  },
  inspect('info', { cow: INC }, all),
  inspect('check', { cow: INC }, all, { expects: { cow: { truncated: 3 } } }),
  inspect('blocks', { base: BASE, cow: INC }, ({ base = '', cow = '' }) => ['--image', base, cow], SIZE_ONLY),
  inspect(
    'blocks --force',
    { base: BASE, cow: INC },
    ({ base = '', cow = '' }, output) => ['--image', base, '--bmap', output, cow],
    { writes: true, leaves: PARTIAL },
  ),
  inspect('diff', { a: INC, b: INC2 }, all),
  inspect('stat', { cow: INC }, all),
  inspect('map', { base: BASE, cow: INC }, ({ base = '', cow = '' }) => ['--image', base, cow], SIZE_ONLY),
  ...['--png', '--svg'].map((option) =>
    inspect(
      'map --force',
      { cow: INC },
      ({ cow = '' }, output) => ['--blocks', `${NR_SECTORS / 8}`, option, output, cow],
      {
        writes: true,
        leaves: PARTIAL,
      },
    ),
  ),
  inspect('files', { cow: INC, image: EXT4 }, all),
  inspect(
    'report --force',
    { image: EXT4, verification: RESULT, cow: INC },
    ({ image = '', verification = '', cow = '' }, output) => [
      ...['--image', image, '--verification', verification, '--output', output, cow],
    ],
    { writes: true, leaves: PARTIAL },
  ),
  verify('compare', { snapshot: SNAP, image: at('kept') }, (inputs) => ({ args: all(inputs) })),
  verify(
    'compare',
    { cow: at('cow2'), snapshot: SNAP, image: at('kept') },
    ({ cow = '', snapshot = '', image = '' }) => ({
      args: ['--cow', cow, snapshot, image],
    }),
  ),
  verify(
    'scrub',
    { image: at('kept'), manifest: at('kept.datto-manifest') },
    ({ image = '', manifest = '' }) => ({ args: ['--manifest', manifest, image] }),
    // Blocks that cannot be read are findings.
    { expects: { image: { badDisk: 3 }, manifest: { missing: 22 } } },
  ),
  verify('points', { target: VERIFIABLE }, ({ target = '' }) => ({ args: [target] })),
  verify('manifest', { image: at('kept') }, ({ image = '' }, output) => ({ args: ['--manifest', output, image] }), {
    writes: true,
    leaves: PARTIAL,
    expects: { image: { truncated: undefined } },
  }),
  // Its content is not read.
  restore('list', () => [], { expects: { target: { badDisk: undefined } } }),
  restore('copy --force', (output) => ['latest', output], { writes: true, leaves: PARTIAL, proves: assertRestored }),
  restore('mount', () => ['latest', at('mounted')], { prepare: makeMountPoint, refused: 22 }),
  restore('file', (output) => ['latest', '/a', output], { refused: 22 }),
  restore('disk --dry-run', (output) => ['latest', output], { refused: 22 }),
];

/** What may be expected of every tool, besides that its inputs are untouched, which every case looks at. */
export const CASES = [
  'help',
  'version',
  'bad option',
  'missing argument',
  'argument that is no UTF-8',
  'missing input',
  'forbidden input',
  'folder as input',
  'FIFO or socket as input',
  'unreadable input',
  'truncated input',
  'no space for output',
  'full standard output',
  'closed standard output',
  'interrupt',
] as const;
export type Case = (typeof CASES)[number];

/** What comes and goes by messages of datto-receive: tests/host/targets/ssh.test.ts and tests/ssh/ends.test.ts have its cases. */
const BY_MESSAGE = 'the folder is named by a message, and so is what is written, not by the command line';

/** Why a case is none for a tool. */
export const EXEMPT: Readonly<Record<string, Partial<Record<Case, string>>>> = {
  'datto-receive': Object.fromEntries(
    CASES.slice(CASES.indexOf('missing input')).map((name) => [name, BY_MESSAGE] as const),
  ),
  dbdctl: { 'no space for output': 'it writes no file; an errno of the driver is told as any other (dbdctl.test.ts)' },
};

/** What a row is called. */
export const nameOf = ({ tool, command, inputs }: Row): string =>
  [tool, ...command, ...Object.keys(inputs).map((name) => `<${name}>`)].join(' ');
