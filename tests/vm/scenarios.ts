/** The scenarios: what each needs of a machine, and on which filesystems it runs. */

export type FileSystem = 'ext4' | 'xfs';

export interface Scenario {
  /** name of its script in tests/vm/scenarios, without .sh */
  readonly name: string;
  readonly fileSystems: readonly FileSystem[];
  /** one filesystem per kernel is enough where none is asked for: the first on the first kernel, and so on */
  readonly spread?: boolean;
  /** sizes of /dev/vda, /dev/vdb, … in MiB; sparse, so a large one costs nothing */
  readonly diskMib: readonly number[];
  readonly limitSeconds: number;
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

export const scenarios: readonly Scenario[] = [
  { name: 'ioctls', fileSystems: ext4, diskMib: [256], limitSeconds: 1200 },
  { name: 'proc-and-nodes', fileSystems: ext4, diskMib: [256], limitSeconds: 1200 },
  { name: 'client', fileSystems: both, spread: true, diskMib: [512], limitSeconds: 1500 },
  { name: 'dbdctl', fileSystems: ext4, diskMib: [256], limitSeconds: 1200 },
  { name: 'overflow', fileSystems: both, spread: true, diskMib: [512], limitSeconds: 1200, cpus: 2 },
  { name: 'trap', fileSystems: ext4, diskMib: [512, 256], limitSeconds: 1200, cpus: 2, debugCore: true },
  { name: 'race', fileSystems: ext4, diskMib: [256, SCRATCH_MIB], limitSeconds: 1200, cpus: 2 },
  { name: 'stability', fileSystems: both, spread: true, diskMib: [512], limitSeconds: 1200, cpus: 2 },
  { name: 'writers', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB, 512], limitSeconds: 1200, cpus: 2 },
  { name: 'mounts', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB], limitSeconds: 1200 },
  { name: 'waits', fileSystems: both, spread: true, diskMib: [512], limitSeconds: 1200 },
  { name: 'moved', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB], limitSeconds: 1500 },
  {
    name: 'writers-rare',
    fileSystems: both,
    spread: true,
    diskMib: [64, SCRATCH_MIB, 320],
    limitSeconds: 1500,
    erasable: true,
  },
  { name: 'umount', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB], limitSeconds: 1200 },
  { name: 'reload', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB, 64], limitSeconds: 1200 },
  { name: 'expand', fileSystems: both, spread: true, diskMib: [320, SCRATCH_MIB], limitSeconds: 1500, cpus: 2 },
  { name: 'auto-expand', fileSystems: both, spread: true, diskMib: [512, SCRATCH_MIB], limitSeconds: 1500, cpus: 2 },
  {
    name: 'transitions',
    fileSystems: both,
    spread: true,
    options: ['TRANSITIONS_SECONDS', 'TRANSITIONS_SEED'],
    diskMib: [384, SCRATCH_MIB],
    limitSeconds: 1500,
    cpus: 2,
  },
  { name: 'reboot', fileSystems: both, spread: true, rootDisk: true, diskMib: [384, SCRATCH_MIB], limitSeconds: 1500 },
  {
    name: 'power-cut',
    fileSystems: both,
    spread: true,
    rootDisk: true,
    diskMib: [384, SCRATCH_MIB],
    limitSeconds: 1500,
  },
  {
    name: 'update-power-cut',
    fileSystems: both,
    spread: true,
    options: ['UPDATE_POWER_CUT_SEED'],
    diskMib: [48, SCRATCH_MIB],
    limitSeconds: 1500,
  },
  { name: 'backup', fileSystems: both, spread: true, diskMib: [256, SCRATCH_MIB], limitSeconds: 1200 },
  { name: 'reload-module', fileSystems: ext4, diskMib: [512], limitSeconds: 1200, cpus: 2 },
  { name: 'walkthrough', fileSystems: both, spread: true, diskMib: [1024, SCRATCH_MIB], limitSeconds: 1500 },
];

/** The filesystems that a scenario is to run on, on the kernel of that number. @param asked what the user named, if anything */
export function fileSystemsFor(
  scenario: Scenario,
  kernelNumber: number,
  asked: readonly string[] | undefined,
): FileSystem[] {
  if (asked) return scenario.fileSystems.filter((fs) => asked.includes(fs));
  const all = scenario.fileSystems;
  return scenario.spread ? [all[kernelNumber % all.length]!] : [...all];
}
