/** Programs of other packages, run for their answer. */
import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { errnoOf, RefusalError, withErrno } from '../errors.js';

export interface Program {
  readonly name: string;
  /** Debian package that it comes with. */
  readonly package: string;
}

const OUTPUT_MAX = 1024 * 1024 * 1024;
const ENOENT = 2;

/** Programs of the administrator's are not on everybody's PATH. */
const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: [process.env.PATH, '/usr/sbin', '/sbin'].filter(Boolean).join(delimiter),
  LC_ALL: 'C',
});

/**
 * Runs a program to its end.
 *
 * @param input what it reads from standard input
 * @param folder where it runs; that of this process if left out
 * @returns what it printed
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED
 */
export const runProgram = (program: Program, args: readonly string[], input: string, folder?: string): string => {
  const { name } = program;
  const result = spawnSync(name, args, {
    ...(folder === undefined ? {} : { cwd: folder }),
    input,
    encoding: 'latin1',
    maxBuffer: OUTPUT_MAX,
    env: environment(),
  });
  if (result.error && errnoOf(result.error) === ENOENT) {
    const message = `Cannot run ${name}: it is not installed, expected it from: apt-get install ${program.package}`;
    throw new RefusalError('PROGRAM_MISSING', message);
  }
  const { error } = result;
  if (error)
    withErrno('run', name, () => {
      throw error;
    });
  if (result.status === 0) return result.stdout;
  const [said] = result.stderr.trim().split('\n').slice(-1);
  const how = result.status === null ? `it was ended by ${result.signal}` : `it ended with status ${result.status}`;
  throw new RefusalError(
    'PROGRAM_FAILED',
    `Cannot run ${name}: ${how}${said ? ` and said "${said}"` : ''}, expected 0`,
  );
};
