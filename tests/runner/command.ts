/** Runs a program of the host to its end, or to its deadline. */
import { execFileSync, spawn } from 'node:child_process';
import { Deadline } from './clock.js';
import { doing, PS_COLUMNS } from './processes.js';

export interface Ended {
  /** exit status; null if a signal ended it */
  readonly status: number | null;
  readonly seconds: number;
  /** standard output and standard error, in the order in which they came */
  readonly output: string;
  /** what it was doing when its time was over, if that is how it ended */
  readonly overdue?: string;
}

const POLL_MS = 200;

/** Kills a process and all that it started in its group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/**
 * Runs a program without standard input, in a process group of its own.
 *
 * @param limitSeconds see Deadline
 * @throws Error if it cannot be started
 */
export async function runCommand(
  command: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly limitSeconds: number },
): Promise<Ended> {
  const began = Date.now();
  const deadline = new Deadline(options.limitSeconds);
  const child = spawn(command[0]!, command.slice(1), {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pieces: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => pieces.push(piece));
  let overdue: string | undefined;
  const stop = (): void => killGroup(child.pid!);
  process.once('exit', stop);
  const ticker = setInterval(() => {
    if (overdue !== undefined || !deadline.over()) return;
    const ps = execFileSync('ps', ['-eo', PS_COLUMNS], { encoding: 'utf8' });
    overdue = doing(ps, (_command, pid) => pid === child.pid);
    stop();
  }, POLL_MS);
  try {
    const status = await new Promise<number | null>((done, failed) => {
      child.once('close', done);
      child.once('error', failed);
    });
    return {
      status,
      seconds: (Date.now() - began) / 1000,
      output: Buffer.concat(pieces).toString(),
      ...(overdue === undefined ? {} : { overdue }),
    };
  } finally {
    clearInterval(ticker);
    process.off('exit', stop);
  }
}
