/**
 * Runs engine_test.c, which exercises core/engine.c and the core alone, with both builds of the core:
 *
 *   tsx tests/vm/engine/run.ts [6.1] [6.12] [debug]
 *
 * Prints what it measured. Ends with 0 only if something ran and nothing failed.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { cacheDir, type Kernel, kernel, projectDir, seriesNames, shareOf } from '../kernels.js';
import { runMachine } from '../machine.js';
import { failure } from '../verdict.js';

/** Builds the test module and returns its path, which the build prints last. */
function build(on: Kernel, options: readonly string[]): string {
  const output = execFileSync(
    'npm',
    ['run', '-s', 'build:kmod', '--', on.release, '--test', import.meta.dirname, '--stub', 'core/engine.c', ...options],
    {
      cwd: projectDir,
      env: { ...process.env, ...on.buildEnv },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return output.trim().split('\n').at(-1)!;
}

async function run(on: Kernel, core: 'release' | 'debug'): Promise<boolean> {
  const outcome = await runMachine({
    kernel: on,
    script: join(import.meta.dirname, 'engine.sh'),
    env: { DATTOBD_KO: build(on, core === 'debug' ? ['--debug-core'] : []) },
    diskMib: [],
    memoryMib: 3072,
    cpus: 2,
    limitSeconds: 600,
    outDir: join(cacheDir, 'vm', `${on.name}-engine-${core}`),
    onLog: (text) => process.stdout.write(text),
  });
  const failed = failure(outcome);
  console.log(`${failed === undefined ? 'pass' : 'FAIL'}  ${on.name}, ${core} build of the core`);
  if (failed !== undefined) console.log(failed.why);
  return failed === undefined;
}

const names = process.argv.length > 2 ? process.argv.slice(2) : seriesNames.filter((name) => shareOf(name) === 'main');
let failed = 0;
for (const name of names) {
  for (const core of ['release', 'debug'] as const) {
    if (!(await run(await kernel(name), core))) failed++;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
