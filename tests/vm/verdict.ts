/** Decides whether a run of a machine is a pass: its status, and what its kernel had to say. */
import type { Outcome } from './machine.js';

/** Lines of the kernel's log that fail a run whatever its status. */
const BAD_LINES: readonly RegExp[] = [
  /WARNING:/,
  /\bBUG:/,
  /kernel BUG at/,
  /\bOops\b/,
  /KASAN:/,
  /UBSAN:/,
  /general protection fault/,
  /Call Trace:/,
  /possible circular locking|possible recursive locking|inconsistent lock state|suspicious RCU usage|lockdep.*(turning off|warning)/i,
  /held lock freed|sleeping function called from invalid context|scheduling while atomic/,
  /INFO: task .* blocked/,
  /rcu.*detected.*stall/,
  /soft lockup|hard LOCKUP/,
  /leaked|kmemleak: \d+ new suspected/,
  /Kernel panic/,
  /list_(add|del) corruption/,
  /refcount_t:/,
  /I\/O error, dev vd/,
  /EXT4-fs error|EXT4-fs.*(aborted|Remounting)/,
  /XFS .*(Corruption|Internal error|metadata I\/O error|Shutting down|log I\/O error)/i,
  /Objects remaining in/,
  /Busy inodes after unmount/,
];

/** Lines that Debian's kernels print in a virtual machine without our module. */
const HARMLESS: readonly RegExp[] = [/unpatched return thunk/i];

/** Returns the lines of a kernel's log that say that something went wrong in the kernel. */
export function badLines(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => BAD_LINES.some((bad) => bad.test(line)) && !HARMLESS.some((harmless) => harmless.test(line)));
}

/**
 * Says whether the emulator, not the kernel, is to blame: a CPU stopped at a breakpoint that is not there any more. The kernel
 * patches its code under a breakpoint and takes it away when no CPU can be in it; QEMU before 8.1 may go on running what it had
 * translated (seen twice in some hundred machines). The kernel then dies of the breakpoint, or goes back to it for ever. Real
 * hardware cannot leave either mark: the byte before the marked one is the one that trapped, and would be the breakpoint, cc; and
 * nobody stays on the instruction that does nothing at a function's entry, where tracing is switched on and off.
 */
export function emulatorFault(log: string): boolean {
  const mark = emulatorMark(log);
  // What the kernel complained of before is its own.
  return mark !== undefined && badLines(log.slice(0, log.lastIndexOf('\n', mark) + 1)).length === 0;
}

/** Where that mark is, if there is one. */
function emulatorMark(log: string): number | undefined {
  const died = /\bint3: 0000 \[#1\][\s\S]*?\bCode: ([0-9a-f ]*)<[0-9a-f]{2}>/.exec(log);
  if (died) return died[1]!.trim().slice(-2) === 'cc' ? undefined : died.index;
  const lockup =
    /\bsoft lockup - CPU[^\n]*\n(?:[^\n]*\n){1,6}?[^\n]*RIP: 0010:\w+\+0x0\/[^\n]*\n[^\n]*Code: [0-9a-f ]*<0f> 1f 44 00 00 /.exec(
      log,
    );
  return lockup?.index;
}

function lastLines(text: string, count: number): string {
  return text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n');
}

/** Returns why a run failed, or undefined if it passed. */
export function failure(outcome: Outcome): string | undefined {
  const reasons: string[] = [];
  if (outcome.timedOut) reasons.push(`killed after ${outcome.seconds.toFixed(0)} s`);
  else if (outcome.status === undefined) reasons.push('the guest ended without a status');
  else if (outcome.status !== 0) reasons.push(`status ${outcome.status}`);
  const bad = [...new Set([...badLines(outcome.dmesg), ...badLines(outcome.console)])];
  if (bad.length > 0)
    reasons.push(
      `the kernel complained:\n${bad
        .slice(0, 8)
        .map((line) => `    ${line.trim()}`)
        .join('\n')}`,
    );
  if (reasons.length === 0) return undefined;
  reasons.push(`end of the log:\n${lastLines(outcome.log, 12)}`);
  if (outcome.status === undefined) reasons.push(`end of the console:\n${lastLines(outcome.console, 25)}`);
  return reasons.join('\n  ');
}
