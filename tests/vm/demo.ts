/**
 * npm run demo [-- 6.1|6.12] [ext4|xfs]: the walkthrough of the README on a busy volume of 1 GiB, in a virtual machine,
 * with each step, its figures and the proof.
 */
import { join } from 'node:path';
import { buildModule, buildPrograms, modulePath, programsDir } from './build.js';
import { cacheDir, kernel, projectDir, seriesNames } from './kernels.js';
import { runMachine } from './machine.js';
import { scenarios } from './scenarios.js';
import { failure } from './verdict.js';

const INTRODUCTION = `
A volume of 1 GiB is backed up three times while programs keep writing to it: once whole, then only what changed.
Each time the image must equal the snapshot in every byte, and be a sound filesystem.
The machine is emulated, so everything takes several times longer than on real hardware.
`;

const CONCLUSION = `
That is: the volume was never unmounted or stopped, the second and third backup moved only what had changed, no change
was missed, and no byte of any image differed from its snapshot. The kernel did not complain once.
`;

/** Of the volume and the disk of the images, in MiB. */
const DISKS = [1024, 8192];
/** A demo that takes longer hangs. */
const LIMIT_SECONDS = 1500;

const series = process.argv[2] ?? seriesNames[0]!;
const fs = process.argv[3] ?? 'ext4';
const scenario = scenarios.find((s) => s.name === 'walkthrough')!;
if (!scenario.fileSystems.some((name) => name === fs))
  throw new RangeError(`Cannot use ${fs}: expected ${scenario.fileSystems.join(' or ')}`);
const on = await kernel(series);
await buildPrograms();
await buildModule(on, false);
console.log(INTRODUCTION);
console.log(`booting Linux ${on.release} in QEMU`);
const outcome = await runMachine({
  kernel: on,
  script: join(projectDir, 'tests/vm/scenarios/walkthrough.sh'),
  env: {
    FS: fs,
    TRIM: 'no',
    MOUNT_OPTIONS: 'defaults',
    LOAD_SCALE: '15',
    COW_MIB: '128',
    COMPARE: 'cmp',
    PROGRAMS: programsDir,
    DATTOBD_KO: modulePath(on, false),
    DATTOBD_DEBUG_KO: '',
  },
  diskMib: DISKS,
  memoryMib: 3072,
  cpus: 2,
  limitSeconds: LIMIT_SECONDS,
  outDir: join(cacheDir, 'vm', 'demo'),
  onLog: (text) => process.stdout.write(text),
});
const failed = failure(outcome);
console.log(failed === undefined ? CONCLUSION : `\nThe demo failed: ${failed.why}`);
process.exitCode = failed === undefined ? 0 : 1;
