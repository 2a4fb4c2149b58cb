import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { badLines, emulatorFault, failure } from './verdict.js';

const oops = (code: string): string => `[    1.263656] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[    1.266331] RIP: 0010:run_timer_softirq+0xd7/0xf0
[    1.266331] Code: ${code}
[    1.266335] RSP: 0018:ff5f996680003f68 EFLAGS: 00000283
`;

test('a breakpoint that is gone is the emulator\'s fault', () => {
  assert.ok(emulatorFault(oops('e8 7a 16 b4 00 eb <0a> 48 83 c4 18')));
  assert.ok(emulatorFault(oops('41 8b 4f 20 66 <90> f7 c1').replace('Oops: ', '')), 'as Linux 6.1 writes it');
});

test('a breakpoint that is there, and every other end, is not', () => {
  assert.not(emulatorFault(oops('e8 7a 16 b4 00 cc <0a> 48 83 c4 18')));
  assert.not(emulatorFault('Oops: 0000 [#1] PREEMPT SMP NOPTI\nCode: eb <0a> 48\n'));
  assert.not(emulatorFault(''));
});

test('a machine passes only with status 0, in time, and a silent kernel', () => {
  const good = { status: 0, timedOut: false, seconds: 1, log: '', dmesg: '[    0.1] Linux version 6.12', console: '' };
  const { status: _, ...silent } = good;
  assert.is(failure(good), undefined);
  assert.match(failure({ ...good, status: 3 })!, /status 3/);
  assert.match(failure(silent)!, /without a status/);
  assert.match(failure({ ...good, timedOut: true })!, /killed after 1 s/);
  assert.match(failure({ ...good, dmesg: oops('cc <0a>') })!, /the kernel complained:\n.*Oops/);
  assert.match(failure({ ...good, console: 'WARNING: CPU: 0 PID: 1 at fs/inode.c' })!, /WARNING/);
  assert.equal(badLines('unpatched return thunk in use. This should not happen!\nBUG: bad'), ['BUG: bad']);
});

test.run();
