/**
 * Runs the two commands of a hook in a process of its own, which outlives this one: the command for after the snapshot runs
 * however this process ends.
 */
import { spawn } from 'node:child_process';
import { closeSync, readSync, writeSync } from 'node:fs';
import { delimiter } from 'node:path';
import { EAGAIN, errnoOf, SystemError } from '../errors.js';
import type { Syscalls } from '../system/syscalls.js';

/** How the snapshot went: `killed` is the guard's own word, for a process that ended before it said anything. */
export type HookOutcome = 'taken' | 'failed' | 'killed';

/** The words of a command; empty if there is none. */
export type Words = readonly string[];

export interface Hook {
  readonly before: Words;
  readonly after: Words;
}

/**
 * The guard: seconds, words of the one command, words of the other, each word a line. It expands nothing but these lines.
 *
 * Descriptor 3 brings the outcome, or its end if the process is gone; 4 takes each exit status. 5 is held open until the guard
 * ends: it keeps the guard that was started before this one waiting. What the shell itself has to say about a killed command is
 * not shown: this process reports it.
 */
const GUARD = `set -f
IFS='
'
limit=$1
exec 6>&2 2>/dev/null
trap '' HUP INT QUIT TERM PIPE
run() (
	trap - HUP INT QUIT TERM PIPE
	[ -z "$1" ] || exec timeout --kill-after=5 "$limit" $1 2>&6 3<&- 4>&- 5>&- 6>&-
)
unset DATTO_OUTCOME
export DATTO_HOOK DATTO_OUTCOME
DATTO_HOOK=before
run "$2"
echo "$?" >&4
read -r DATTO_OUTCOME <&3 || DATTO_OUTCOME=killed
DATTO_HOOK=after
run "$3"
echo "$?" >&4
`;

const STDERR = 2;
/** As timeout(1) has it. */
const TIMED_OUT = 124;
const SIGNALLED = 128;

/** Why an exit status is none of success; undefined if it is. */
export const hookFailure = (status: number | undefined, seconds: number): string | undefined => {
  if (status === 0) return undefined;
  if (status === undefined) return 'was lost: the process that ran it was killed';
  if (status === TIMED_OUT) return `took longer than ${seconds} s`;
  return status > SIGNALLED ? `was ended by signal ${status - SIGNALLED}` : `ended with status ${status}`;
};

/** A hook between its two commands. */
export class HookGuard {
  readonly #answers: number;
  readonly #orders: number;
  #isOpen = true;

  /**
   * Starts the command for before the snapshot.
   *
   * @param seconds how long each command may take
   * @param variables what is added to the environment
   * @param earlier the guard that was started before this one; its command for after the snapshot runs last, even if this
   * process is killed
   * @throws SystemError if no process can be started
   */
  constructor(
    { before, after }: Hook,
    seconds: number,
    variables: Readonly<Record<string, string>>,
    earlier: HookGuard | undefined,
    syscalls: Syscalls,
  ) {
    const [orders, answers] = [syscalls.pipe('a hook'), syscalls.pipe('a hook')];
    [this.#orders, this.#answers] = [orders[1], answers[0]];
    const held = earlier ? [earlier.#orders] : [];
    const child = spawn('/bin/sh', ['-c', GUARD, 'datto-hook', `${seconds}`, before.join('\n'), after.join('\n')], {
      // A session of its own: what a terminal sends to this process does not reach it.
      detached: true,
      stdio: ['ignore', STDERR, STDERR, orders[0], answers[1], ...held],
      env: {
        ...process.env,
        ...variables,
        PATH: [process.env.PATH, '/usr/sbin', '/usr/bin', '/sbin', '/bin'].filter(Boolean).join(delimiter),
      },
    });
    for (const fd of [orders[0], answers[1]]) closeSync(fd);
    // An error of the start is thrown here, not by an event.
    child.on('error', () => undefined);
    child.unref();
    if (child.pid !== undefined) return;
    this.#close();
    throw new SystemError(EAGAIN, 'run', '/bin/sh');
  }

  /** Waits for the exit status of the command that was started last; undefined if the guard was killed. */
  status(): number | undefined {
    const bytes = Buffer.alloc(8);
    let length = 0;
    while (length === 0 || bytes[length - 1] !== 0x0a) {
      const got = readSync(this.#answers, bytes, length, bytes.length - length, null);
      if (got === 0) return undefined;
      length += got;
    }
    return Number(bytes.toString('latin1', 0, length));
  }

  /** Runs the command for after the snapshot; returns its exit status, undefined if the guard was killed. */
  end(outcome: HookOutcome): number | undefined {
    try {
      writeSync(this.#orders, `${outcome}\n`);
      return this.status();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    } finally {
      this.#close();
    }
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const fd of [this.#orders, this.#answers]) closeSync(fd);
  }
}
