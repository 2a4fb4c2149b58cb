/** How machines end that fail in different ways: real ones, run as the scenarios are. */
import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { accelerator } from '../vm/accelerator.js';
import { cacheDir, kernel, projectDir, seriesNames } from '../vm/kernels.js';
import { runMachine } from '../vm/machine.js';
import { verdictOf } from '../vm/tasks.js';
import { runTasks } from './pool.js';
import { conclude } from './report.js';
import type { Task } from './task.js';

const on = await kernel(seriesNames[0]!);

/** A machine that runs guests/<name>.sh. */
const machine = (name: string, mayBeRepeated: boolean, limitSeconds: number): Task => ({
  name,
  seconds: limitSeconds,
  mayBeRepeated,
  run: async (attempt) => {
    const outDir = join(cacheDir, 'vm', `runner-${name}-${attempt}`);
    const outcome = await runMachine({
      kernel: on,
      script: join(projectDir, 'tests/runner/guests', `${name}.sh`),
      env: { ATTEMPT: String(attempt) },
      diskMib: [],
      memoryMib: 1024,
      cpus: 1,
      limitSeconds,
      outDir,
    });
    return verdictOf(outcome, outDir);
  },
});

test('an assertion, a hang, a complaint of the kernel and a flake each end as they should', async () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const tasks = [
    machine('hang', false, 20),
    machine('assertion', false, 60),
    machine('complaint', true, 60),
    machine('flake', true, 60),
  ];
  const results = await runTasks(tasks, 2, say);
  const ok = conclude(results, say);
  const text = lines.join('\n');
  assert.not(ok);
  assert.match(text, /^FAIL {2}assertion .*\n {2}status 1: FAILED: two and two: got '4', expected '5'$/m);
  assert.match(
    text,
    /^FAIL {2}hang .*\n {2}killed after \d+ s, after ".*a sleep follows"; running: sleep 10000 \(S.*\)$/m,
  );
  assert.match(text, /^FAIL {2}complaint .*\n {2}the kernel complained: .*WARNING: CPU: 0 PID: 1 at fs\/nowhere.c:1$/m);
  assert.not.match(text, /pass {2}complaint/);
  assert.match(text, /^pass {2}flake /m);
  const flaky = /^flaky: flake \(first failure: status 1: FAILED: by chance\)\n {2}logs: (\S+), (\S+)$/m.exec(text);
  assert.ok(flaky, text);
  assert.not.equal(flaky[1], flaky[2]);
  assert.equal(lines.at(-1), '1 passed, 3 failed');
});

test('a machine whose saved state is no good is booted', async () => {
  // What the machines above left. With KVM there is none.
  const booted = join(cacheDir, 'vm/booted', on.name);
  const folders = existsSync(booted) ? readdirSync(booted).filter((name) => name.startsWith('1-1024-')) : [];
  const names = folders.map((name) => join(booted, name, 'state'));
  const sizes = names.map((name) => statSync(name).size);
  names.forEach((name, i) => truncateSync(name, Math.floor(sizes[i]! / 2)));
  assert.is((await machine('flake', false, 60).run(2)).passed, 1);
  for (const [i, name] of names.entries()) assert.ok(statSync(name).size > sizes[i]! * 0.9);
});

test('how machines begin is asked for by one of two words', async () => {
  if (accelerator(on) === 'kvm') return;
  process.env.VM_BOOT = 'sometimes';
  try {
    await machine('flake', false, 60).run(2);
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /^RangeError: Cannot use VM_BOOT=sometimes: expected always or once$/);
  } finally {
    delete process.env.VM_BOOT;
  }
});

test.run();
