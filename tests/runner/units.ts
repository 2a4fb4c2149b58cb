/** The unit test files as tasks, each in a process of its own. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runCommand } from './command.js';
import { wordsForNode } from './node.js';
import type { Task, Verdict } from './task.js';

const FOLDERS = [
  'core',
  'kmod',
  'host',
  'lib',
  'cli',
  'page',
  'boot',
  'systemd',
  'packages',
  'vm',
  'runner',
  'scripts',
  'model',
  'bench',
];
/** Files that take longer than a few seconds on the reference machine. */
const SECONDS: Readonly<Record<string, number>> = {
  'cli/conformance': 80,
  'runner/machines': 50,
  'core/random': 15,
  'core/live-random': 13,
  'model/model': 30,
  'cli/update-return': 27,
  'cli/update-kill': 14,
  'cli/backup-ends': 22,
  'cli/update-state': 21,
  'packages/packages': 26,
  'kmod/structures': 15,
  'cli/backup-status': 12,
  'host/targets/ssh': 25,
  'systemd/units': 10,
  'cli/backup': 9,
  'cli/dbdctl': 9,
};
const USUAL_SECONDS = 5;
/** A file that hangs is ended after so many times its usual time. */
const PATIENCE = 20;

const testFiles = (tests: string): string[] =>
  FOLDERS.flatMap((folder) =>
    readdirSync(join(tests, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => join(folder, name)),
  );

/** Counts of uvu's last lines. */
const count = (output: string, label: string): number => {
  // The colours that uvu may print around its totals.
  const plain = output.replace(/\u001b\[\d+m/g, '');
  return Number(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'm').exec(plain)?.[1] ?? 0);
};

async function runFile(root: string, path: string, limitSeconds: number): Promise<Verdict> {
  const node = process.env.TEST_NODE ? [...(await wordsForNode(process.env.TEST_NODE)), 'node'] : [process.execPath];
  const command = [...node, '--import', 'tsx', relative(root, path)];
  const { status, output, seconds, overdue } = await runCommand(command, { cwd: root, limitSeconds });
  const passed = count(output, 'Passed');
  const failed = count(output, 'Total') - passed;
  if (status === 0 && failed === 0 && passed > 0) return { passed, failed };
  // A file that ends badly or runs no test has failed, whatever its totals say.
  const ending = overdue === undefined ? `status ${status}` : `killed after ${seconds.toFixed(0)} s; ${overdue}`;
  return { passed, failed: Math.max(failed, 1), why: `${ending}\n${output}` };
}

/**
 * The unit test files.
 *
 * @param wanted parts of their names; without any, all
 * @param build what must have been built before
 */
export function unitTasks(root: string, wanted: readonly string[], build: Task): Task[] {
  const tests = join(root, 'tests');
  return testFiles(tests)
    .filter((name) => wanted.length === 0 || wanted.some((part) => `tests/${name}`.includes(part)))
    .map((name) => {
      const seconds = SECONDS[name.replace(/\.test\.ts$/, '')] ?? USUAL_SECONDS;
      return {
        name: `tests/${name}`,
        seconds,
        after: [build],
        run: () => runFile(root, join(tests, name), seconds * PATIENCE),
      };
    });
}
