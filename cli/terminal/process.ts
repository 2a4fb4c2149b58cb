/** Runs tools as processes: command line, standard streams, exit status. */
import { withArguments } from './arguments.js';
import { batchedStreams, processStreams, ReaderGoneError } from './standard-output.js';
import type { Streams } from './terminal.js';
import { errorLine } from './terminal.js';

/** A tool: arguments without the program in, exit status out. */
export type Tool = (argv: readonly string[], streams: Streams) => number;

/**
 * Runs a tool as this process. It continues its work even if its output cannot be written.
 *
 * @param usage the exit status if the command line cannot be used
 * @param failure the exit status if output cannot be written; the errno if left out
 */
export const runProcess = (name: string, tool: Tool, usage: number, failure?: number): void => {
  const streams = processStreams();
  const status = withArguments(name, usage, streams, (argv) => tool(argv, streams));
  process.exitCode = streams.finish(name, status, failure);
};

/**
 * Runs a tool that only prints, as this process: it ends if its output cannot be written.
 *
 * @param usage the exit status if the command line cannot be used
 * @param failure the exit status if output cannot be written
 */
export const runPrinter = (name: string, tool: Tool, usage: number, failure: number): void => {
  const streams = batchedStreams();
  try {
    process.exitCode = withArguments(name, usage, streams, (argv) => tool(argv, streams));
    streams.flush();
  } catch (error) {
    if (!(error instanceof ReaderGoneError)) streams.err(`${name}: ${errorLine(error)}\n`);
    process.exitCode = failure;
  }
};
