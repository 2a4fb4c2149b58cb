/** The scenarios: what each needs of a machine, and where it runs. */
import { isBare, shareOf } from './kernels.js';

export type FileSystemType = 'ext4' | 'xfs';
/** A type, with blocks of 4 KiB or of 1 KiB. */
export type FileSystem = FileSystemType | `${FileSystemType}-1k`;

export const fileSystemNames: readonly FileSystem[] = ['ext4', 'xfs', 'ext4-1k', 'xfs-1k'];
export const typeOf = (fs: FileSystem): FileSystemType => (fs.startsWith('ext4') ? 'ext4' : 'xfs');

export interface Scenario {
  /** name of its script in tests/vm/scenarios, without .sh */
  readonly name: string;
  readonly fileSystems: readonly FileSystemType[];
  /** runs with small blocks too */
  readonly small?: boolean;
  /** sizes of /dev/vda, /dev/vdb, … in MiB; sparse, so a large one costs nothing */
  readonly diskMib: readonly number[];
  /** the size of /dev/vda in npm test, where less will do: what copies and compares all of it takes its time by that */
  readonly shortMib?: number;
  /** what it takes in an emulated machine beside another one, on the reference machine */
  readonly seconds: number;
  /** CPUs: one where little happens at the same time, for emulated ones that share a real one wait for each other */
  readonly cpus?: number;
  /** emulated CPUs have SMAP, which catches a kernel that takes a program's pointer for its own (Kind in booted.ts) */
  readonly smap?: boolean;
  /** names of variables of the environment that it takes */
  readonly options?: readonly string[];
  /** the machine's root filesystem is on /dev/vda; the script is run once per boot */
  readonly rootDisk?: boolean;
  /** the machine has EFI firmware, and begins in a rescue system, see machine.ts; with rootDisk */
  readonly firmware?: boolean;
  /** in test:all only, or by name: it takes too long for npm test */
  readonly long?: boolean;
  /** needs the module with the core's debug build */
  readonly debugCore?: boolean;
  /** needs tests/vm/erasable */
  readonly erasable?: boolean;
  /** for kernels that cannot reach their host's files, which run no others: all it needs is in the first root filesystem */
  readonly bare?: boolean;
}

const SCRATCH_MIB = 8192;
const both: readonly FileSystemType[] = ['ext4', 'xfs'];
const ext4: readonly FileSystemType[] = ['ext4'];
const xfs: readonly FileSystemType[] = ['xfs'];

/** Restore points in a target, by tests/vm/guest/targets.sh. */
const target = (kind: string, seconds: number): Scenario => ({
  name: `target-${kind}`,
  fileSystems: both,
  options: ['TARGETS_SEED'],
  diskMib: [160, SCRATCH_MIB],
  shortMib: 96,
  seconds,
});

export const scenarios: readonly Scenario[] = [
  { name: 'ioctls', fileSystems: ext4, diskMib: [256], seconds: 15, smap: true },
  { name: 'proc-and-nodes', fileSystems: ext4, diskMib: [256], seconds: 20 },
  { name: 'client', fileSystems: both, diskMib: [512], seconds: 90 },
  { name: 'dbdctl', fileSystems: ext4, diskMib: [256], seconds: 60 },
  { name: 'overflow', fileSystems: both, diskMib: [512], seconds: 40, cpus: 2 },
  { name: 'trap', fileSystems: ext4, diskMib: [512, 256], seconds: 50, cpus: 2, debugCore: true },
  { name: 'race', fileSystems: both, small: true, diskMib: [320, SCRATCH_MIB], seconds: 40, cpus: 2 },
  { name: 'stability', fileSystems: both, diskMib: [512], seconds: 30, cpus: 2 },
  { name: 'writers', fileSystems: both, diskMib: [512, SCRATCH_MIB, 512], seconds: 80, cpus: 2 },
  { name: 'mounts', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 45 },
  { name: 'waits', fileSystems: both, diskMib: [512], seconds: 130 },
  { name: 'moved', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 25 },
  { name: 'writers-rare', fileSystems: both, diskMib: [64, SCRATCH_MIB, 320], seconds: 75, erasable: true },
  { name: 'umount', fileSystems: both, small: true, diskMib: [512, SCRATCH_MIB], seconds: 40 },
  { name: 'reload', fileSystems: both, small: true, diskMib: [512, SCRATCH_MIB, 64], seconds: 45 },
  { name: 'expand', fileSystems: both, small: true, diskMib: [320, SCRATCH_MIB], seconds: 40, cpus: 2 },
  { name: 'auto-expand', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 40, cpus: 2 },
  {
    name: 'transitions',
    fileSystems: both,
    options: ['TRANSITIONS_SECONDS', 'TRANSITIONS_SEED'],
    diskMib: [384, SCRATCH_MIB],
    seconds: 60,
    cpus: 2,
  },
  { name: 'reboot', fileSystems: both, rootDisk: true, diskMib: [384, SCRATCH_MIB], seconds: 105 },
  { name: 'power-cut', fileSystems: both, rootDisk: true, diskMib: [384, SCRATCH_MIB], seconds: 75 },
  {
    name: 'crash',
    fileSystems: both,
    options: ['CRASH_SEED'],
    rootDisk: true,
    diskMib: [384, SCRATCH_MIB],
    seconds: 100,
  },
  {
    name: 'update-power-cut',
    fileSystems: both,
    options: ['UPDATE_POWER_CUT_SEED'],
    diskMib: [48, SCRATCH_MIB],
    seconds: 85,
  },
  { name: 'backup', fileSystems: both, diskMib: [160, SCRATCH_MIB], shortMib: 96, seconds: 120 },
  target('folder', 120),
  // Its second volume has the other kind of filesystem.
  { name: 'backup-group', fileSystems: ext4, diskMib: [200, SCRATCH_MIB], seconds: 130 },
  { name: 'by-itself', fileSystems: both, diskMib: [160, SCRATCH_MIB], seconds: 240 },
  { name: 'reload-module', fileSystems: ext4, diskMib: [512], seconds: 35, cpus: 2 },
  { name: 'walkthrough', fileSystems: both, small: true, diskMib: [640, SCRATCH_MIB], shortMib: 384, seconds: 75 },
  { name: 'errors-panic', fileSystems: ext4, diskMib: [512], seconds: 40 },
  { name: 'taken', fileSystems: both, diskMib: [320], seconds: 30 },
  { name: 'renamed', fileSystems: both, diskMib: [384, SCRATCH_MIB], seconds: 40 },
  { name: 'steady', fileSystems: ext4, diskMib: [512], seconds: 40, cpus: 2 },
  {
    name: 'group',
    fileSystems: both,
    options: ['GROUP_SEED'],
    diskMib: [672, 672, SCRATCH_MIB],
    seconds: 130,
    cpus: 2,
  },
  { name: 'hibernate', fileSystems: both, diskMib: [320], seconds: 40, cpus: 2 },
  { name: 'written-elsewhere', fileSystems: both, diskMib: [64, SCRATCH_MIB, 64], seconds: 130 },
  { name: 'boot-without-module', fileSystems: both, diskMib: [400, SCRATCH_MIB], seconds: 60 },
  { name: 'log-end', fileSystems: xfs, diskMib: [320, SCRATCH_MIB], seconds: 60 },
  {
    name: 'elsewhere',
    fileSystems: both,
    options: ['ELSEWHERE_ROUNDS', 'ELSEWHERE_SEED'],
    diskMib: [64, SCRATCH_MIB],
    seconds: 50,
  },
  { name: 'throttled', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 70 },
  { name: 'memory', fileSystems: xfs, diskMib: [65536], seconds: 30 },
  { name: 'large', fileSystems: xfs, options: ['LARGE_SEED'], diskMib: [64, SCRATCH_MIB], seconds: 120, long: true },
  { name: 'grow', fileSystems: both, diskMib: [64, SCRATCH_MIB], seconds: 50 },
  { name: 'idle', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 30 },
  { name: 'boot-volume', fileSystems: ext4, diskMib: [200, SCRATCH_MIB], seconds: 30 },
  { name: 'filesystems', fileSystems: ext4, diskMib: [41, SCRATCH_MIB, 41], seconds: 60 },
  {
    name: 'storm',
    fileSystems: both,
    options: ['STORM_SECONDS'],
    diskMib: [1536, SCRATCH_MIB],
    seconds: 400,
    cpus: 2,
    long: true,
  },
  {
    ...{ name: 'disk', fileSystems: both, rootDisk: true, firmware: true },
    ...{ diskMib: [640, SCRATCH_MIB, 704], seconds: 300, long: true },
  },
  { ...target('ssh', 640), long: true },
  { ...target('rbd', 1200), long: true },
  { ...target('restic', 600), long: true },
  { ...target('borg', 900), long: true },
  {
    name: 'lies',
    fileSystems: ext4,
    options: ['LIES_SECONDS', 'LIES_SEED'],
    diskMib: [64],
    seconds: 120,
    debugCore: true,
  },
  {
    name: 'bare',
    fileSystems: both,
    options: ['TRANSITIONS_SECONDS', 'TRANSITIONS_SEED'],
    diskMib: [384, SCRATCH_MIB],
    seconds: 40,
    cpus: 2,
    bare: true,
  },
];

/** In npm test, on a kernel that is none of the main ones. */
const ONE_SCENARIO = 'stability';
/** In test:all, on a kernel that gets no more. */
const SOME_SCENARIOS: readonly string[] = ['transitions', 'walkthrough', 'race', 'reload-module'];

/** Where a scenario runs. */
export interface Place {
  readonly scenario: Scenario;
  readonly kernel: string;
  readonly fs: FileSystem;
}

const canRun = (scenario: Scenario, kernel: string): boolean => (scenario.bare ?? false) === isBare(kernel);

/** Of a scenario that can have small blocks, the second half of the filesystems that it is for. */
export const fileSystemsOf = ({ fileSystems, small }: Scenario): FileSystem[] =>
  small ? [...fileSystems, ...fileSystems.map((type): FileSystem => `${type}-1k`)] : [...fileSystems];

const fileSystemOf = ({ fileSystems }: Scenario, n: number): FileSystem => fileSystems[n % fileSystems.length]!;

/**
 * Every scenario once: the n-th one runs on the n-th of these kernels, and when those are used up on the next filesystem, round and
 * round, so that every kernel meets every filesystem. Kernels are alike in what they can run.
 */
function spread(kernels: readonly string[]): Place[] {
  return scenarios
    .filter((scenario) => canRun(scenario, kernels[0]!))
    .map((scenario, n) => ({
      scenario,
      kernel: kernels[n % kernels.length]!,
      fs: fileSystemOf(scenario, Math.floor(n / kernels.length)),
    }));
}

/** What npm test runs: every scenario once, on a main kernel, and one on each other kernel that test:all runs every scenario on. */
export function once(kernels: readonly string[]): Place[] {
  const main = kernels.filter((name) => shareOf(name) === 'main');
  const others = kernels.filter((name) => shareOf(name) === 'whole');
  const scenario = scenarios.find(({ name }) => name === ONE_SCENARIO)!;
  return [...spread(main), ...others.map((kernel, n) => ({ scenario, kernel, fs: fileSystemOf(scenario, n) }))];
}

/** Every scenario once on each of these kernels. */
export const onceOnEach = (kernels: readonly string[]): Place[] => kernels.flatMap((kernel) => spread([kernel]));

/** What test:all runs on these kernels: every scenario on every filesystem that it is for, or some of them. */
export function everywhere(kernels: readonly string[]): Place[] {
  const isWanted = (scenario: Scenario, kernel: string): boolean =>
    canRun(scenario, kernel) && (scenario.bare || shareOf(kernel) !== 'some' || SOME_SCENARIOS.includes(scenario.name));
  return kernels.flatMap((kernel) =>
    scenarios
      .filter((scenario) => isWanted(scenario, kernel))
      .flatMap((scenario) => fileSystemsOf(scenario).map((fs) => ({ scenario, kernel, fs }))),
  );
}
