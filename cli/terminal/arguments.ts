/** The command line of this process, refused if Node did not decode it without loss. */
import { readFileSync } from 'node:fs';
import { errnoOf } from '../../host/errors.js';
import { textOfBytes } from '../../host/inspect/owners/owner-names.js';
import { printableBytes } from './printable.js';
import type { Streams } from './terminal.js';

/** The bytes of the arguments, which Node decodes to text; undefined if /proc does not show them. */
const bytesOf = (argv: readonly string[]): readonly Buffer[] | undefined => {
  let line: Buffer;
  try {
    line = readFileSync('/proc/self/cmdline');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  // Each ends with a zero.
  const words = line.toString('latin1').split('\0').slice(0, -1);
  const bytes = words.slice(words.length - argv.length).map((word) => Buffer.from(word, 'latin1'));
  return argv.every((text, index) => bytes[index]?.toString('utf8') === text) ? bytes : undefined;
};

/**
 * Runs a tool on the command line of this process. For bytes that are not UTF-8, Node has U+FFFD: the name of another
 * file. Such an argument is refused.
 *
 * @param refused the exit status of a refusal
 */
export const withArguments = (
  tool: string,
  refused: number,
  streams: Pick<Streams, 'err'>,
  run: (argv: readonly string[]) => number,
): number => {
  const argv = process.argv.slice(2);
  const broken = bytesOf(argv)?.find((bytes) => textOfBytes(bytes) === undefined);
  if (!broken) return run(argv);
  streams.err(
    `${tool}: cannot use ${printableBytes(broken)}: it is not valid UTF-8, expected a name that is; rename it\n`,
  );
  return refused;
};
