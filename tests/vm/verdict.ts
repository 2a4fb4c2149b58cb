/** Decides whether a run of a machine is a pass: its status, and what its kernel had to say. */
import type { Outcome } from './outcome.js';

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

/** Complaints that a machine which is merely slow may cause. */
const OF_TIME: readonly RegExp[] = [/INFO: task .* blocked/, /rcu.*detected.*stall/, /soft lockup|hard LOCKUP/];

/** Why a run failed. */
export interface Failure {
  /** one line, then the complaints of the kernel and the ends of the logs */
  readonly why: string;
  /** a second run that passes does not excuse it: the kernel found a fault that no slowness explains */
  readonly final: boolean;
}

function lastLines(text: string, count: number): string {
  const lines = text.trimEnd().split('\n').slice(-count);
  return lines.map((line) => `  ${line}`).join('\n');
}

/** What the script said last that matches. */
function lastSaid(log: string, pattern: RegExp): string | undefined {
  return log
    .split('\n')
    .reverse()
    .find((line) => pattern.test(line));
}

/** The script's end in one line; undefined if that was as it should be. */
function badEnd({ status, overdue, seconds, log }: Outcome): string | undefined {
  if (overdue !== undefined) {
    const step = lastSaid(log, /^\[ *\d+ s\]/) ?? 'its begin';
    return `killed after ${seconds.toFixed(0)} s, after "${step}"; ${overdue}`;
  }
  if (status === undefined) return 'the guest ended without a status';
  if (status === 0) return undefined;
  const failed = lastSaid(log, /^FAILED: /);
  return failed === undefined ? `status ${status}` : `status ${status}: ${failed}`;
}

/** A machine that is late is asked what is blocked: the traces that follow are no complaint. */
const beforeLastWords = (log: string): string => log.split('sysrq: Show Blocked State')[0]!;

/** Returns why a run failed, or undefined if it passed. */
export function failure(outcome: Outcome): Failure | undefined {
  const logs = [outcome.dmesg, outcome.console].map((log) =>
    outcome.overdue === undefined ? log : beforeLastWords(log),
  );
  const bad = [...new Set(logs.flatMap(badLines))].map((line) => line.trim());
  const end = badEnd(outcome);
  if (end === undefined && bad.length === 0) return undefined;
  const complaint = bad.length > 0 ? `the kernel complained: ${bad[0]}` : undefined;
  const parts = [[end, complaint].filter((text) => text !== undefined).join('; ')];
  if (bad.length > 1) parts.push(`all it complained of:\n${lastLines(bad.slice(0, 8).join('\n'), 8)}`);
  parts.push(`end of the log:\n${lastLines(outcome.log, 12)}`);
  if (outcome.status === undefined) parts.push(`end of the console:\n${lastLines(outcome.console, 25)}`);
  return { why: parts.join('\n'), final: bad.some((line) => !OF_TIME.some((pattern) => pattern.test(line))) };
}
