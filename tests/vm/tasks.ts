/** The virtual machines of a run as tasks, and what must be built for them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Task, Verdict } from '../runner/task.js';
import {
  buildClient,
  buildErasable,
  buildForeignPrograms,
  buildModule,
  buildPrograms,
  buildWasm3,
  erasablePath,
  modulePath,
  programsOf,
} from './build.js';
import { architectureOf, cacheDir, type Kernel, kernel, projectDir } from './kernels.js';
import { runMachine } from './machine.js';
import type { Outcome } from './outcome.js';
import { checkEmulator, NATIVE } from './platform.js';
import { type FileSystem, type Place, typeOf } from './scenarios.js';
import { timesText } from './times.js';
import { failure } from './verdict.js';

export interface MachineOptions {
  /** the scripts' output while they run */
  readonly verbose: boolean;
  /** of each machine; undefined: what its scenario says */
  readonly cpus: number | undefined;
  /** repeat what scenarios repeat as often as makes sense */
  readonly long: boolean;
  /** build the module, if what it is made from has changed */
  readonly build: boolean;
}

/** A kernel with everything built in for debugging runs this much slower. */
const DEBUG_FACTOR = 8;
/** A machine that hangs is ended after so many times its usual time, and not before the limits in the scenarios themselves. */
const PATIENCE = 6;
const LEAST_LIMIT_SECONDS = 300;
const MEMORY_MIB = 3072;

const limitOf = ({ scenario, kernel: on }: Place): number =>
  Math.max(LEAST_LIMIT_SECONDS, scenario.seconds * PATIENCE) * (on === 'debug' ? DEBUG_FACTOR : 1);

/** How the scripts name a filesystem: its type, and the size of its blocks. */
const variablesOf = (fs: FileSystem): Readonly<Record<string, string>> => ({
  FS: typeOf(fs),
  FS_BLOCK: fs === typeOf(fs) ? '4096' : '1024',
});

async function runScenario(place: Place, on: Kernel, options: MachineOptions, attempt: number): Promise<Verdict> {
  const { scenario, fs } = place;
  const firstDir = join(cacheDir, 'vm', `${on.name}-${fs}-${scenario.name}`);
  // What the first run left is kept beside what the second one leaves.
  const secondDir = `${firstDir}.second`;
  const outDir = attempt === 1 ? firstDir : secondDir;
  rmSync(secondDir, { recursive: true, force: true });
  const own = Object.fromEntries((scenario.options ?? []).map((name) => [name, process.env[name] ?? '']));
  const outcome = await runMachine({
    kernel: on,
    script: join(projectDir, 'tests/vm/scenarios', `${scenario.name}.sh`),
    env: {
      ...own,
      ...variablesOf(fs),
      LONG: options.long ? 'yes' : '',
      PROGRAMS: programsOf(on),
      DATTOBD_KO: modulePath(on, false),
      DATTOBD_DEBUG_KO: modulePath(on, true),
      ERASABLE_KO: erasablePath(on),
    },
    diskMib: options.long
      ? scenario.diskMib
      : [scenario.shortMib ?? scenario.diskMib[0]!, ...scenario.diskMib.slice(1)],
    ...(scenario.rootDisk ? { root: { fs: typeOf(fs), module: modulePath(on, false) } } : {}),
    ...(scenario.firmware ? { firmware: true } : {}),
    memoryMib: MEMORY_MIB,
    cpus: options.cpus ?? scenario.cpus ?? 1,
    smap: scenario.smap ?? options.long,
    limitSeconds: limitOf(place),
    outDir,
    ...(options.verbose ? { onLog: (text: string) => process.stdout.write(text) } : {}),
  });
  return verdictOf(outcome, outDir);
}

/** @param logs the folder that the machine left */
export function verdictOf(outcome: Outcome, logs: string): Verdict {
  const failed = failure(outcome);
  const note = timesText(outcome.times, outcome.cpuSeconds);
  return failed === undefined ? { passed: 1, failed: 0, note, logs } : { passed: 0, failed: 1, note, logs, ...failed };
}

/** A step of building: a task that counts as no test. */
const buildStep = (name: string, seconds: number, after: readonly Task[], step: () => Promise<unknown>): Task => ({
  name,
  seconds,
  after,
  early: true,
  run: async () => {
    await step();
    return { passed: 0, failed: 0 };
  },
});

/**
 * Machines, after what they need.
 *
 * @param build the task that builds the core and the tools
 */
export function machineTasks(places: readonly Place[], options: MachineOptions, build: Task): Task[] {
  if (places.length === 0) return [];
  const programs = buildStep('programs for the guests', 8, [], async () => {
    await buildPrograms();
    await buildClient();
    await buildWasm3();
  });
  const names = [...new Set(places.map((place) => place.kernel))];
  return [programs, ...names.flatMap((name) => kernelTasks(name, places, options, [build, programs]))];
}

function kernelTasks(name: string, places: readonly Place[], options: MachineOptions, before: readonly Task[]): Task[] {
  const here = places.filter((place) => place.kernel === name);
  const get = async (): Promise<void> => {
    checkEmulator(architectureOf(name));
    await kernel(name);
  };
  const steps = [buildStep(`kernel ${name}`, 40, [], get)];
  const step = (what: string, seconds: number, after: readonly Task[], run: (on: Kernel) => Promise<unknown>): Task => {
    const task = buildStep(what, seconds, after, async () => run(await kernel(name)));
    steps.push(task);
    return task;
  };
  if (architectureOf(name) !== NATIVE) step(`programs for ${name}`, 8, [steps[0]!], buildForeignPrograms);
  if (options.build) {
    const module = step(`module for ${name}`, 30, [before[0]!, steps[0]!], (on) => buildModule(on, false));
    if (here.some(({ scenario }) => scenario.debugCore))
      step(`module for ${name}, debug core`, 5, [module], (on) => buildModule(on, true));
    if (here.some(({ scenario }) => scenario.erasable))
      step(`erasable disk for ${name}`, 5, [module], (on) => buildErasable(on));
  }
  const machines = here.map((place) => ({
    name: `${name} ${place.fs} ${place.scenario.name}`,
    seconds: place.scenario.seconds,
    after: [...before, ...steps],
    mayBeRepeated: true,
    run: async (attempt: number) => runScenario(place, await kernel(name), options, attempt),
  }));
  return [...steps, ...machines];
}
