/** Runs a part of the bench in a virtual machine, and keeps its figures in build/bench-PART.json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule, buildPrograms, modulePath, programsDir } from '../vm/build.js';
import { cacheDir, type Kernel, projectDir } from '../vm/kernels.js';
import { runMachine } from '../vm/machine.js';
import { failure } from '../vm/verdict.js';
import { type Figure, type Part, printPart, Results } from './part.js';

/** What the figures of a part were measured on, and the figures. */
export interface Run {
  readonly kernel: string;
  readonly machine: string;
  readonly rounds: number;
  readonly figures: readonly Figure[];
}

interface Machine {
  readonly on: Kernel;
  /** what it is, beside its kernel and its CPUs */
  readonly about: string;
  readonly fs: string;
  readonly diskMib: readonly number[];
  /** for the guest's script, which has the name of the part */
  readonly env?: Readonly<Record<string, string>>;
  readonly limitSeconds: number;
}

export const runPath = (name: string): string => join(projectDir, `build/bench-${name}.json`);

/** Measures and prints. Returns false if the run failed. */
export async function measure(part: Part, machine: Machine): Promise<boolean> {
  const { on, about, fs, diskMib, env, limitSeconds } = machine;
  await buildPrograms();
  await buildModule(on, false);
  const rounds = process.env.ROUNDS ?? '3';
  console.log(`\n${part.title}\nLinux ${on.release}, 2 CPUs, ${about}, ${rounds} rounds`);
  const outcome = await runMachine({
    kernel: on,
    script: join(projectDir, `tests/bench/${part.name}.sh`),
    env: { FS: fs, PROGRAMS: programsDir, DATTOBD_KO: modulePath(on, false), ROUNDS: rounds, ...env },
    diskMib,
    memoryMib: 3072,
    cpus: 2,
    limitSeconds,
    outDir: join(cacheDir, 'vm', `bench-${part.name}`),
    onLog: () => process.stdout.write('.'),
  });
  console.log();
  const figures = outcome.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Figure);
  printPart(part, new Results(figures));
  const run: Run = { kernel: on.release, machine: about, rounds: Number(rounds), figures };
  mkdirSync(join(projectDir, 'build'), { recursive: true });
  writeFileSync(runPath(part.name), JSON.stringify(run, null, 1));
  const failed = failure(outcome);
  if (failed !== undefined) console.log(`\nThe run failed: ${failed.why}`);
  return failed === undefined;
}
