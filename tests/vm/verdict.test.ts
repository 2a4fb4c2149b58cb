import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from './outcome.js';
import { sumOfTimes } from './times.js';
import { badLines, emulatorFault, failure } from './verdict.js';

const oops = (code: string): string => `[    1.263656] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[    1.266331] RIP: 0010:run_timer_softirq+0xd7/0xf0
[    1.266331] Code: ${code}
[    1.266335] RSP: 0018:ff5f996680003f68 EFLAGS: 00000283
`;

test("a breakpoint that is gone is the emulator's fault", () => {
  assert.ok(emulatorFault(oops('e8 7a 16 b4 00 eb <0a> 48 83 c4 18')));
  assert.ok(emulatorFault(oops('41 8b 4f 20 66 <90> f7 c1').replace('Oops: ', '')), 'as Linux 6.1 writes it');
});

const lockup = (
  at: string,
  code: string,
): string => `[  288.500618] watchdog: BUG: soft lockup - CPU#0 stuck for 134s! [fio:274]
[  288.501170] Modules linked in: dattobd(OE-) ext4
[  288.502523] CPU: 0 PID: 274 Comm: fio Tainted: G           OE      6.1.0-56-amd64 #1  Debian 6.1.192-2
[  288.502736] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[  288.502817] RIP: 0010:${at}
[  288.502817] Code: e8 14 d0 56 00 0f 1f 40 00 ${code} 41 56 41 55
`;

test('so is a CPU that stays on an instruction that does nothing', () => {
  assert.ok(emulatorFault(lockup('submit_bio_noacct+0x0/0x4a0', '<0f> 1f 44 00 00')));
  assert.not(emulatorFault(lockup('submit_bio_noacct+0x0/0x4a0', '<e8> 1b 44 00 00')), 'it is traced');
  assert.not(emulatorFault(lockup('submit_bio_noacct+0x5/0x4a0', '<0f> 1f 44 00 00')), 'not the entry');
});

test('a breakpoint that is there, and every other end, is not', () => {
  assert.not(emulatorFault(oops('e8 7a 16 b4 00 cc <0a> 48 83 c4 18')));
  assert.not(emulatorFault('Oops: 0000 [#1] PREEMPT SMP NOPTI\nCode: eb <0a> 48\n'));
  assert.not(emulatorFault(''));
});

test('nor is what the kernel complained of before it', () => {
  assert.not(emulatorFault(`WARNING: CPU: 0 PID: 1 at fs/inode.c\n${oops('eb <0a> 48')}`));
  assert.ok(emulatorFault(`[    0.1] Linux version 6.12\n${oops('eb <0a> 48')}`));
});

const good: Outcome = {
  status: 0,
  stuck: false,
  seconds: 1,
  cpuSeconds: 1,
  times: { boot: 0, waiting: 0 },
  log: '',
  dmesg: '[    0.1] Linux version 6.12',
  console: '',
};
const whyOf = (outcome: Outcome): string => failure(outcome)!.why.split('\n')[0]!;

test('a machine passes only with status 0, in time, and a silent kernel', () => {
  const { status: _, ...silent } = good;
  assert.is(failure(good), undefined);
  assert.is(whyOf({ ...good, status: 3, log: 'FAILED: one\nFAILED: a: 1\nmore' }), 'status 3: FAILED: a: 1');
  assert.is(whyOf(silent), 'the guest ended without a status');
  assert.is(
    whyOf({ ...silent, overdue: 'running: dd (D)', log: '[   1 s] first\n[   2 s] second\n' }),
    'killed after 1 s, after "[   2 s] second"; running: dd (D)',
  );
  const late = { ...silent, overdue: 'running: dd', dmesg: '[1.0] sysrq: Show Blocked State\n[1.1] Call Trace:' };
  assert.not.match(whyOf(late), /complained/);
  assert.match(whyOf({ ...late, dmesg: `BUG: bad\n${late.dmesg}` }), /complained: BUG: bad/);
  assert.match(whyOf({ ...good, dmesg: oops('cc <0a>') }), /^the kernel complained: .*Oops/);
  assert.match(whyOf({ ...good, console: 'WARNING: CPU: 0 PID: 1 at fs/inode.c' }), /WARNING/);
  assert.equal(badLines('unpatched return thunk in use. This should not happen!\nBUG: bad'), ['BUG: bad']);
});

test('what the kernel complains of is final, but for what slowness may cause', () => {
  const isFinal = (dmesg: string): boolean => failure({ ...good, dmesg })!.final;
  assert.not(failure({ ...good, status: 1 })!.final);
  assert.ok(isFinal('BUG: KASAN: slab-use-after-free in tracker'));
  assert.not(isFinal('INFO: task dd:1 blocked for more than 120 seconds.'));
  assert.ok(isFinal('INFO: task dd:1 blocked for more than 120 seconds.\nWARNING: possible circular locking'));
});

test('the time of a guest is summed up over its boots', () => {
  const line = (word: string, uptime: number, ...ticks: number[]): string =>
    `${word} ${uptime} cpu ${ticks.join(' ')} 0 0 0`;
  const text = [
    line('begin', 7.5, 100, 0, 200, 50, 10, 5, 5),
    line('end', 20, 600, 100, 300, 250, 60, 5, 5),
    line('begin', 8.5, 100, 0, 200, 50, 10, 5, 5),
  ].join('\n');
  assert.equal(sumOfTimes(text), { boot: 16, waiting: 2.5 });
});

test.run();
