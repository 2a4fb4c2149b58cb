/** update-img on a real snapshot device, in a virtual machine, against copying block by block and dd. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildTools } from '../../scripts/build-cli.js';
import { buildModule, buildPrograms, modulePath, programsDir } from '../vm/build.js';
import { cacheDir, type Kernel, projectDir } from '../vm/kernels.js';
import { runMachine } from '../vm/machine.js';
import { failure } from '../vm/verdict.js';
import { printTimes } from './figures.js';

interface Figure {
  readonly case: string;
  readonly name: string;
  readonly round: number;
  readonly ms: number;
  /** Of these, from when update-img says that it copies; all of them of the others. */
  readonly copyMs: number;
}

interface Listed {
  readonly case: string;
  readonly blocks: number;
}

const CASES: Readonly<Record<string, { title: string; baseline: string; aim: number }>> = {
  scattered: { title: '20,000 scattered blocks', baseline: 'one block at a time', aim: 3.5 },
  runs: { title: '10 % in runs of 64 KiB', baseline: 'one block at a time', aim: 4.5 },
  whole: { title: 'all of a file of 85 % of the volume; dd copies all of the volume', baseline: 'dd bs=1M', aim: 0.85 },
};

function timesOf(figures: readonly Figure[], field: 'ms' | 'copyMs'): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (const figure of figures) times.set(figure.name, [...(times.get(figure.name) ?? []), figure[field]]);
  return times;
}

function print(lines: ReadonlyArray<Figure | Listed>, mib: number): void {
  const figures = lines.filter((line): line is Figure => 'ms' in line);
  for (const [which, { title, baseline, aim }] of Object.entries(CASES)) {
    const own = figures.filter((figure) => figure.case === which);
    if (own.length === 0) continue;
    const listed = lines.find((line): line is Listed => 'blocks' in line && line.case === which)?.blocks;
    const aims = { 'update-img': aim, 'update-img --direct': aim };
    printTimes(
      `${title}: ${listed} of ${mib * 256} blocks listed; until it is on disk`,
      timesOf(own, 'ms'),
      baseline,
      {},
    );
    printTimes(
      'the same, without the start of update-img: from its first byte copied on',
      timesOf(own, 'copyMs'),
      baseline,
      aims,
    );
  }
}

/** Measures and prints. BENCH_VM_MIB: size of the volume. Returns false if the run failed. */
export async function updateVm(on: Kernel): Promise<boolean> {
  const mib = Number(process.env.BENCH_VM_MIB ?? 2048);
  const rounds = process.env.ROUNDS ?? '3';
  await buildPrograms();
  for (const name of ['one-by-one', 'at-once']) {
    const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
    execFileSync('gcc', ['-O2', '-Wall', '-Werror', '-static', '-o', join(programsDir, name), source]);
  }
  await buildTools(join(projectDir, 'dist'));
  await buildModule(on, false);
  console.log(
    `\nLinux ${on.release}, 2 emulated CPUs, /dev/datto0 of ${mib} MiB on ext4, cold page cache, ${rounds} rounds`,
  );
  const outcome = await runMachine({
    kernel: on,
    script: join(projectDir, 'tests/bench/update-vm.sh'),
    env: { FS: 'ext4', PROGRAMS: programsDir, DATTOBD_KO: modulePath(on, false), ROUNDS: rounds },
    diskMib: [mib, mib + 1024],
    memoryMib: 3072,
    cpus: 2,
    limitSeconds: 4800,
    outDir: join(cacheDir, 'vm', 'bench-update'),
    onLog: () => process.stdout.write('.'),
  });
  console.log();
  print(
    outcome.log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Figure | Listed),
    mib,
  );
  console.log(`
CPUs are emulated, so that starting Node takes seconds, and every system call and every block that the core looks up tens of
microseconds; the disks are files in this machine's memory, which answer at once. So reads that are under way together win little
here: what is measured is CPU time per block, and that of the driver and the disk's driver is the same for all. "C, many at once"
does what update-img does to copy, by the same system calls, and nothing else.`);
  const failed = failure(outcome);
  if (failed !== undefined) console.log(`\nThe run failed: ${failed.why}`);
  return failed === undefined;
}
