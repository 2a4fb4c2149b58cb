/**
 * Runs tests: npm test, npm run test:all, test:unit and test:vm.
 *
 *   tsx tests/run.ts [--all] [--jobs N]                      checks, unit tests, machines
 *   tsx tests/run.ts unit [PART OF A FILE'S NAME…]           unit tests only
 *   tsx tests/run.ts vm [--all] [--kernel 6.1|6.12|debug] [--fs ext4|xfs] [--scenario NAME] [--cpus N]
 *     [--verbose] [--no-build] [--list]                      virtual machines only
 *
 * Without --all each scenario runs once, on a kernel and a filesystem that its place in the table gives it (vm/scenarios.ts);
 * --kernel and --fs, which may be repeated as --scenario may, name others. With --all every scenario runs everywhere, and
 * what the unit tests do for seconds is done for minutes. One task more runs at once than this machine has CPUs, since some wait for a
 * disk or the clock, unless --jobs says otherwise; with --verbose, one. The last line is "N passed, N failed"; the exit status is 0 only if something ran and
 * nothing failed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { buildTask, checkTasks, longTasks } from './runner/checks.js';
import { runTasks } from './runner/pool.js';
import { conclude } from './runner/report.js';
import type { Task } from './runner/task.js';
import { unitTasks } from './runner/units.js';
import { projectDir, seriesNames } from './vm/kernels.js';
import { everywhere, fileSystemNames, fileSystemsOf, once, onceOnEach, type Place, scenarios } from './vm/scenarios.js';
import { machineTasks } from './vm/tasks.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    jobs: { type: 'string' },
    kernel: { type: 'string', multiple: true },
    fs: { type: 'string', multiple: true },
    scenario: { type: 'string', multiple: true },
    cpus: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const [group, ...names] = positionals;

function number(option: string, text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new RangeError(`Cannot use --${option} ${text}: expected 1 to 99`);
  return Number(text);
}

function check(option: string, asked: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = asked?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RangeError(`Cannot use --${option} ${unknown}: expected one of ${known.join(', ')}`);
}

/** What was asked for. A kernel or a filesystem that is named is taken for every scenario that it can run. */
function places(): Place[] {
  check(
    'scenario',
    values.scenario,
    scenarios.map(({ name }) => name),
  );
  check('fs', values.fs, fileSystemNames);
  check('kernel', values.kernel, [...seriesNames, 'debug']);
  const wanted = ({ scenario }: Place): boolean => values.scenario?.includes(scenario.name) ?? true;
  if (values.all)
    return everywhere(values.kernel ?? seriesNames)
      .filter((at) => values.fs?.includes(at.fs) ?? true)
      .filter(wanted);
  const isShort = ({ scenario }: Place): boolean => !scenario.long || values.scenario !== undefined;
  const chosen = (values.kernel ? onceOnEach(values.kernel) : once(seriesNames)).filter(wanted).filter(isShort);
  return chosen.flatMap((at) =>
    (values.fs ?? [at.fs]).flatMap((name) =>
      fileSystemsOf(at.scenario)
        .filter((fs) => fs === name)
        .map((fs) => ({ ...at, fs })),
    ),
  );
}

function tasks(): Task[] {
  if (group !== undefined && !['unit', 'vm'].includes(group))
    throw new RangeError(`Cannot run ${group}: expected unit, vm, or nothing for all`);
  const build = buildTask(projectDir);
  const built = values['no-build'] ? { ...build, run: async () => ({ passed: 0, failed: 0 }) } : build;
  const chosen: Task[] = [built];
  if (group === undefined) chosen.push(...checkTasks(projectDir, built));
  if (group !== 'vm') chosen.push(...unitTasks(projectDir, names, built));
  if (values.all && group !== 'vm') chosen.push(...longTasks(projectDir, built));
  if (group !== 'unit') {
    const cpus = values.cpus === undefined ? undefined : number('cpus', values.cpus);
    chosen.push(
      ...machineTasks(places(), { verbose: values.verbose, long: values.all, build: !values['no-build'], cpus }, built),
    );
  }
  return chosen;
}

if (values.list) {
  for (const { scenario, kernel, fs } of places()) console.log(`${scenario.name} (${kernel} ${fs})`);
} else {
  const jobs = values.verbose
    ? 1
    : values.jobs === undefined
      ? availableParallelism() + 1
      : number('jobs', values.jobs);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const began = Date.now();
  const results = await runTasks(tasks(), jobs, console.log);
  console.log(`${((Date.now() - began) / 60_000).toFixed(1)} minutes, ${jobs} at a time`);
  process.exitCode = conclude(results, console.log) ? 0 : 1;
}
