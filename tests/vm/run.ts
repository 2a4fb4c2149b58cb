/**
 * Runs scenarios in virtual machines, one machine per scenario, kernel and filesystem:
 *
 *   npm run test:vm [-- --kernel 6.1|6.12|debug] [--fs ext4|xfs] [--scenario NAME] [--jobs N] [--cpus N]
 *     [--verbose] [--no-build] [--list]
 *
 * Options may be repeated; without them, everything runs, some of it on one filesystem per kernel. So many machines run at once
 * as there are jobs, two unless said otherwise; with --verbose, one. Each has the CPUs that its scenario names, unless said
 * otherwise. What it left is in .cache/vm/<kernel>-<fs>-<scenario>. Ends with the line "N passed, N failed", and with 0 only if
 * something ran and nothing failed.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  buildClient,
  buildErasable,
  buildModule,
  buildPrograms,
  buildTools,
  erasablePath,
  modulePath,
  programsDir,
} from './build.js';
import { cacheDir, type Kernel, kernel, projectDir, seriesNames } from './kernels.js';
import { runMachine } from './machine.js';
import { type FileSystem, fileSystemsFor, type Scenario, scenarios } from './scenarios.js';
import { failure } from './verdict.js';

interface Choice {
  readonly kernels: readonly string[];
  readonly fileSystems: readonly string[] | undefined;
  readonly names: readonly string[];
  readonly verbose: boolean;
  readonly build: boolean;
  readonly jobs: number;
  /** of each machine; undefined: what its scenario says */
  readonly cpus: number | undefined;
}

/** One machine to run. */
interface Task {
  readonly on: Kernel;
  readonly scenario: Scenario;
  readonly fs: FileSystem;
}

/** A kernel with everything built in for debugging runs this much slower. */
const DEBUG_FACTOR = 8;

function choose(): Choice {
  const { values } = parseArgs({
    options: {
      kernel: { type: 'string', multiple: true },
      fs: { type: 'string', multiple: true },
      scenario: { type: 'string', multiple: true },
      verbose: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      cpus: { type: 'string' },
    },
  });
  const all = scenarios.map((s) => s.name);
  if (values.list) {
    console.log(all.join('\n'));
    process.exit(0);
  }
  const unknown = values.scenario?.find((name) => !all.includes(name));
  if (unknown) throw new RangeError(`Cannot run scenario ${unknown}: expected one of ${all.join(', ')}`);
  if (!/^[1-9]\d?$/.test(values.jobs))
    throw new RangeError(`Cannot run ${values.jobs} machines at once: expected 1 to 99`);
  if (values.cpus !== undefined && !/^[1-9]\d?$/.test(values.cpus))
    throw new RangeError(`Cannot give machines ${values.cpus} CPUs: expected 1 to 99`);
  return {
    kernels: values.kernel ?? seriesNames,
    fileSystems: values.fs,
    names: values.scenario ?? all,
    verbose: values.verbose,
    build: !values['no-build'],
    jobs: values.verbose ? 1 : Number(values.jobs),
    cpus: values.cpus === undefined ? undefined : Number(values.cpus),
  };
}

async function runOne({ on, scenario, fs }: Task, { verbose, cpus }: Choice): Promise<boolean> {
  const name = `${on.name} ${fs} ${scenario.name}`;
  if (verbose) console.log(`\n--- ${name}`);
  const outcome = await runMachine({
    kernel: on,
    script: join(projectDir, 'tests/vm/scenarios', `${scenario.name}.sh`),
    env: {
      ...Object.fromEntries((scenario.options ?? []).map((name) => [name, process.env[name] ?? ''])),
      FS: fs,
      PROGRAMS: programsDir,
      DATTOBD_KO: modulePath(on, false),
      DATTOBD_DEBUG_KO: modulePath(on, true),
      ERASABLE_KO: erasablePath(on),
    },
    diskMib: scenario.diskMib,
    ...(scenario.rootDisk ? { root: { fs, module: modulePath(on, false) } } : {}),
    memoryMib: 3072,
    cpus: cpus ?? scenario.cpus ?? 1,
    limitSeconds: scenario.limitSeconds * (on.name === 'debug' ? DEBUG_FACTOR : 1),
    outDir: join(cacheDir, 'vm', name.replaceAll(' ', '-')),
    ...(verbose ? { onLog: (text: string) => process.stdout.write(text) } : {}),
  });
  const why = failure(outcome);
  console.log(`${why === undefined ? 'pass' : 'FAIL'}  ${name}  (${outcome.seconds.toFixed(0)} s)`);
  if (why !== undefined) console.log(`  ${why}`);
  return why === undefined;
}

/** The machines to run, what they need built. */
function prepare(choice: Choice): Task[] {
  const chosen = scenarios.filter((s) => choice.names.includes(s.name));
  if (choice.build) buildTools();
  buildPrograms();
  buildClient();
  return choice.kernels.flatMap((name, number) => {
    const on = kernel(name);
    console.log(`Linux ${on.release}`);
    if (choice.build) {
      buildModule(on, false);
      if (chosen.some((s) => s.debugCore)) buildModule(on, true);
      if (chosen.some((s) => s.erasable)) buildErasable(on);
    }
    return chosen.flatMap((scenario) =>
      fileSystemsFor(scenario, number, choice.fileSystems).map((fs) => ({ on, scenario, fs })),
    );
  });
}

async function main(): Promise<void> {
  const choice = choose();
  const tasks = prepare(choice);
  let passed = 0;
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      if (await runOne(task, choice)) passed++;
      else failed++;
    }
  };
  await Promise.all(Array.from({ length: choice.jobs }, work));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

await main();
