/** The scenarios: what each needs of a machine, and where it runs. */

export type FileSystem = 'ext4' | 'xfs';

export interface Scenario {
  /** name of its script in tests/vm/scenarios, without .sh */
  readonly name: string;
  readonly fileSystems: readonly FileSystem[];
  /** sizes of /dev/vda, /dev/vdb, … in MiB; sparse, so a large one costs nothing */
  readonly diskMib: readonly number[];
  /** what it takes in an emulated machine beside another one, on the reference machine */
  readonly seconds: number;
  /** CPUs: one where little happens at the same time, for emulated ones that share a real one wait for each other */
  readonly cpus?: number;
  /** names of variables of the environment that it takes */
  readonly options?: readonly string[];
  /** the machine's root filesystem is on /dev/vda; the script is run once per boot */
  readonly rootDisk?: boolean;
  /** needs the module with the core's debug build */
  readonly debugCore?: boolean;
  /** needs tests/vm/erasable */
  readonly erasable?: boolean;
}

const SCRATCH_MIB = 8192;
const both: readonly FileSystem[] = ['ext4', 'xfs'];
const ext4: readonly FileSystem[] = ['ext4'];
const xfs: readonly FileSystem[] = ['xfs'];

export const scenarios: readonly Scenario[] = [
  { name: 'ioctls', fileSystems: ext4, diskMib: [256], seconds: 15 },
  { name: 'proc-and-nodes', fileSystems: ext4, diskMib: [256], seconds: 20 },
  { name: 'client', fileSystems: both, diskMib: [512], seconds: 90 },
  { name: 'dbdctl', fileSystems: ext4, diskMib: [256], seconds: 60 },
  { name: 'overflow', fileSystems: both, diskMib: [512], seconds: 40, cpus: 2 },
  { name: 'trap', fileSystems: ext4, diskMib: [512, 256], seconds: 50, cpus: 2, debugCore: true },
  { name: 'race', fileSystems: ext4, diskMib: [256, SCRATCH_MIB], seconds: 40, cpus: 2 },
  { name: 'stability', fileSystems: both, diskMib: [512], seconds: 30, cpus: 2 },
  { name: 'writers', fileSystems: both, diskMib: [512, SCRATCH_MIB, 512], seconds: 80, cpus: 2 },
  { name: 'mounts', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 45 },
  { name: 'waits', fileSystems: both, diskMib: [512], seconds: 130 },
  { name: 'moved', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 25 },
  { name: 'writers-rare', fileSystems: both, diskMib: [64, SCRATCH_MIB, 320], seconds: 75, erasable: true },
  { name: 'umount', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 40 },
  { name: 'reload', fileSystems: both, diskMib: [512, SCRATCH_MIB, 64], seconds: 45 },
  { name: 'expand', fileSystems: both, diskMib: [320, SCRATCH_MIB], seconds: 40, cpus: 2 },
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
    name: 'update-power-cut',
    fileSystems: both,
    options: ['UPDATE_POWER_CUT_SEED'],
    diskMib: [48, SCRATCH_MIB],
    seconds: 85,
  },
  { name: 'backup', fileSystems: both, diskMib: [256, SCRATCH_MIB], seconds: 170 },
  { name: 'reload-module', fileSystems: ext4, diskMib: [512], seconds: 35, cpus: 2 },
  { name: 'walkthrough', fileSystems: both, diskMib: [640, SCRATCH_MIB], seconds: 75 },
  { name: 'errors-panic', fileSystems: ext4, diskMib: [512], seconds: 40 },
  { name: 'taken', fileSystems: both, diskMib: [320], seconds: 30 },
  { name: 'renamed', fileSystems: both, diskMib: [384, SCRATCH_MIB], seconds: 40 },
  { name: 'steady', fileSystems: ext4, diskMib: [512], seconds: 40, cpus: 2 },
  { name: 'hibernate', fileSystems: both, diskMib: [320], seconds: 40, cpus: 2 },
  { name: 'written-elsewhere', fileSystems: both, diskMib: [64, SCRATCH_MIB, 64], seconds: 200 },
  { name: 'boot-without-module', fileSystems: both, diskMib: [400, SCRATCH_MIB], seconds: 60 },
  { name: 'log-end', fileSystems: xfs, diskMib: [320, SCRATCH_MIB], seconds: 60 },
  {
    name: 'elsewhere',
    fileSystems: both,
    options: ['ELSEWHERE_ROUNDS', 'ELSEWHERE_SEED'],
    diskMib: [64, SCRATCH_MIB],
    seconds: 50,
  },
  { name: 'throttled', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 50 },
  { name: 'memory', fileSystems: xfs, diskMib: [65536], seconds: 30 },
  { name: 'idle', fileSystems: both, diskMib: [512, SCRATCH_MIB], seconds: 30 },
];

/** Where a scenario runs. */
export interface Place {
  readonly scenario: Scenario;
  readonly kernel: string;
  readonly fs: FileSystem;
}

/**
 * Every scenario once: the n-th one runs on the n-th kernel, and when those are used up on the next filesystem, round and
 * round, so that every kernel meets every filesystem.
 */
export function spread(kernels: readonly string[]): Place[] {
  return scenarios.map((scenario, n) => ({
    scenario,
    kernel: kernels[n % kernels.length]!,
    fs: scenario.fileSystems[Math.floor(n / kernels.length) % scenario.fileSystems.length]!,
  }));
}

/** Every scenario on every kernel and every filesystem that it is for. */
export function everywhere(kernels: readonly string[]): Place[] {
  return kernels.flatMap((kernel) =>
    scenarios.flatMap((scenario) => scenario.fileSystems.map((fs) => ({ scenario, kernel, fs }))),
  );
}
