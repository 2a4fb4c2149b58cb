/** Programs of other packages, run for their output. */
import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { ENOBUFS, ENOENT, EPIPE, errnoOf, RefusalError, withErrno } from '../errors.js';

export interface Program {
  readonly name: string;
  /** Debian package that it comes with. */
  readonly package: string;
  /** If this process is killed, so is it. */
  readonly endsWithUs?: true;
}

/** A parent that had died before the signal was asked for sends none. */
const UNLESS_ORPHANED = '[ "$PPID" = "$1" ] || exit 0; shift; exec "$@"';

/** What runs a command that gets a signal when this process ends, however that comes. */
export const endingWithUs = (
  signal: 'TERM' | 'INT' | 'KILL',
  command: readonly string[],
): [program: 'setpriv', args: string[]] => [
  'setpriv',
  ['--pdeathsig', signal, '--', 'sh', '-c', UNLESS_ORPHANED, 'sh', `${process.pid}`, ...command],
];

/** Descriptor of a guarded program from which its guard reads. */
export const GUARD_FD = 3;
/** The guard's parent is the program, or that has ended, and its number may be that of another one. */
const KILL_PARENT = '{ read -r _ _ _ parent _ </proc/self/stat; [ "$parent" != $$ ] || kill -s "$signal" $$; }';
/** Becomes the program. */
const GUARDED = `signal=$1; shift; { read -r line <&${GUARD_FD} || ${KILL_PARENT}; } & exec ${GUARD_FD}<&-; exec "$@"`;

/** What runs a command that gets a signal when the other end of GUARD_FD is closed, unless a line was written there before. */
export const guarded = (signal: 'TERM' | 'INT', command: readonly string[]): [program: 'sh', args: string[]] => [
  'sh',
  ['-c', GUARDED, 'sh', signal, ...command],
];

/** Whether endingWithUs() or guarded() printed that there is no such command. */
export const saysNotFound = (said: string): boolean => /^sh: (line )?\d+: exec: .*not found/.test(said);

/** Largest output of a program; callers split larger requests. It exceeds the longest string: linesOf() cuts it up. */
const OUTPUT_MAX = 1024 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Folders of the administrator's programs, which are not on every user's PATH. */
export const environment = (variables: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...process.env,
  ...variables,
  PATH: [process.env.PATH, '/usr/sbin', '/sbin'].filter(Boolean).join(delimiter),
  LC_ALL: 'C',
});

export const programMissing = ({ name, package: from }: Program): RefusalError =>
  new RefusalError('PROGRAM_MISSING', `cannot run ${name}: it is not installed; hint: apt-get install ${from}`);

export const programFailed = (name: string, how: string, said = ''): RefusalError =>
  new RefusalError(
    'PROGRAM_FAILED',
    `cannot run ${name}: it ${how}${said ? ` and printed "${said}"` : ''}, expected ${how.includes('bytes') ? 'less' : '0'}`,
  );

/** What a program printed last; bytes as latin1. */
const lastLine = (output: Buffer): string => output.toString('latin1').trim().split('\n').at(-1) ?? '';

/**
 * Runs a program to its end.
 *
 * @param input what it reads from standard input; bytes as latin1
 * @param folder where it runs; that of this process if left out
 * @param variables what is added to its environment
 * @returns what it printed
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED
 */
export const runProgram = (
  program: Program,
  args: readonly string[],
  input: string,
  folder?: string,
  variables: Readonly<Record<string, string>> = {},
): Buffer => {
  const { name } = program;
  const [command, words] = program.endsWithUs ? endingWithUs('KILL', [name, ...args]) : [name, args];
  const result = spawnSync(command, words, {
    ...(folder === undefined ? {} : { cwd: folder }),
    input: Buffer.from(input, 'latin1'),
    maxBuffer: OUTPUT_MAX,
    env: environment(variables),
  });
  const { error } = result;
  if (error && errnoOf(error) === ENOENT) throw programMissing(program);
  if (error && errnoOf(error) === ENOBUFS) throw programFailed(name, `printed more than ${OUTPUT_MAX} bytes`);
  // One that ended before it had read its input has a reason of its own.
  if (error && (errnoOf(error) !== EPIPE || result.status === 0))
    withErrno('run', name, () => {
      throw error;
    });
  if (result.status === 0) return result.stdout;
  const said = lastLine(result.stderr);
  if (program.endsWithUs && saysNotFound(said)) throw programMissing(program);
  throw programFailed(
    name,
    result.status === null ? `was ended by ${result.signal}` : `ended with status ${result.status}`,
    said,
  );
};

/** The lines of an output, one after the other; bytes as latin1. */
export function* linesOf(output: Buffer): Generator<string> {
  for (let at = 0; at < output.length; ) {
    const found = output.indexOf(NEWLINE, at);
    const end = found < 0 ? output.length : found;
    yield output.toString('latin1', at, end);
    at = end + 1;
  }
}
