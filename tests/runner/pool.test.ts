import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Deadline } from './clock.js';
import { runCommand } from './command.js';
import { runTasks } from './pool.js';
import { doing } from './processes.js';
import { conclude } from './report.js';
import type { Task, Verdict } from './task.js';

const PASSED: Verdict = { passed: 1, failed: 0 };
const failed = (why: string): Verdict => ({ passed: 0, failed: 1, why });

/** A task of that many seconds, which ends as the verdicts say, one after another. */
const task = (name: string, seconds: number, verdicts: readonly Verdict[], more: Partial<Task> = {}): Task => ({
  name,
  seconds,
  run: async (attempt) => verdicts[attempt - 1]!,
  ...more,
});

/** What a run prints, and whether it passed. */
async function runAll(tasks: readonly Task[], jobs = 1): Promise<{ lines: string[]; ok: boolean }> {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line.replace(/\(\d+ s/, '(N s'));
  const ok = conclude(await runTasks(tasks, jobs, say), say);
  return { lines, ok };
}

test('the longest begin first, but those that others wait for before them', async () => {
  const build = task('build', 1, [PASSED], { early: true });
  const { lines, ok } = await runAll([
    task('short', 1, [PASSED]),
    task('long', 9, [PASSED], { after: [build] }),
    task('middle', 5, [{ passed: 3, failed: 0, note: 'boot 1' }]),
    build,
  ]);
  assert.equal(lines, [
    'pass  build  (N s)',
    'pass  long  (N s)',
    'pass  middle: 3 passed, 0 failed  (N s: boot 1)',
    'pass  short  (N s)',
    '6 passed, 0 failed',
  ]);
  assert.ok(ok);
});

test('what waits for a task that failed is not run, and has failed', async () => {
  const build = task('build', 1, [failed('status 1')]);
  const { lines, ok } = await runAll([build, task('unit', 1, [], { after: [build] })], 2);
  assert.equal(lines.slice(0, 4), ['FAIL  build  (N s)', '  status 1', 'FAIL  unit  (N s)', '  not run: build failed']);
  assert.equal(lines.slice(4), ['failed: build', 'failed: unit', '0 passed, 2 failed']);
  assert.not(ok);
});

test('a failure that may be due to chance is repeated alone, and named', async () => {
  const first = { ...failed('status 1: FAILED: one\nlog'), logs: 'a' };
  const { lines, ok } = await runAll([
    task('scenario', 5, [first, { ...PASSED, logs: 'b' }], { mayBeRepeated: true }),
    task('other', 1, [PASSED]),
  ]);
  assert.equal(lines, [
    'FAIL  scenario  (N s)',
    '  status 1: FAILED: one\n  log',
    '  it will be run once more, alone',
    'pass  other  (N s)',
    'pass  scenario  (N s)',
    'flaky: scenario (first failure: status 1: FAILED: one)',
    '  logs: a, b',
    '2 passed, 0 failed',
  ]);
  assert.ok(ok);
});

test('a failure that comes again, is final, or is one of many, stays one', async () => {
  const again = { mayBeRepeated: true };
  const twice = await runAll([task('twice', 1, [failed('x'), failed('y')], again)]);
  assert.equal(twice.lines.slice(-2), ['failed: twice', '0 passed, 1 failed']);
  const final = await runAll([task('final', 1, [{ ...failed('BUG'), final: true }, PASSED], again)]);
  assert.equal(final.lines.slice(-2), ['failed: final', '0 passed, 1 failed']);
  const names = ['a', 'b', 'c', 'd'];
  const many = await runAll(names.map((name) => task(name, 1, [failed(name), PASSED], again)));
  assert.equal(many.lines.at(-1), '0 passed, 4 failed');
  assert.not(twice.ok || final.ok || many.ok);
});

test('a task that throws has failed, and so has a run of nothing', async () => {
  const thrown = await runAll([{ name: 'thrown', seconds: 1, run: () => Promise.reject(new Error('no kernel')) }]);
  assert.match(thrown.lines[1]!, /no kernel/);
  assert.not(thrown.ok);
  assert.equal(await runAll([]), { lines: ['0 passed, 0 failed'], ok: false });
});

test('a command that hangs is ended with all that it started, and what it was doing is said', async () => {
  const script = 'echo begun; sleep 1001 & sleep 1002; echo not reached';
  const ended = await runCommand(['bash', '-c', script], { cwd: '/', limitSeconds: 0.5 });
  assert.is(ended.status, null);
  assert.is(ended.output, 'begun\n');
  assert.match(ended.overdue!, /^running: sleep 1001 \(S.*\); sleep 1002 \(S/);
  const left = await runCommand(['pgrep', '-f', 'sleep 100[12]'], { cwd: '/', limitSeconds: 10 });
  assert.is(left.status, 1, left.output);
});

test('a command that ends has its status and what it printed', async () => {
  const { status, output, overdue } = await runCommand(['sh', '-c', 'echo out; echo err >&2; exit 3'], {
    cwd: '/',
    limitSeconds: 60,
  });
  assert.equal([status, output.split('\n').sort(), overdue], [3, ['', 'err', 'out'], undefined]);
});

test('what a guest was doing is told by its processes', () => {
  const ps = [
    '    1     0 S    wait                             bash /out/boot.sh',
    '   90     1 S    wait                             bash /tests/scenarios/waits.sh',
    '   91    90 S    wait                             bash -c dd | md5sum',
    '   92    91 D    folio_wait_bit                   dd if=/dev/datto0 of=/dev/null',
    '   93    91 S    -                                md5sum',
    '   94     1 S    -                                udevd',
  ].join('\n');
  const isScript = (command: string): boolean => command === 'bash /tests/scenarios/waits.sh';
  assert.is(doing(ps, isScript), 'running: dd if=/dev/datto0 of=/dev/null (D, folio_wait_bit); md5sum (S)');
  assert.is(doing('', isScript), 'nothing was running');
});

test('a deadline is over after its time, and not before', async () => {
  const deadline = new Deadline(0.3);
  assert.not(deadline.over());
  const began = Date.now();
  while (!deadline.over()) await new Promise((wake) => setTimeout(wake, 10));
  assert.ok(Date.now() - began >= 290, `${Date.now() - began} ms`);
});

test.run();
