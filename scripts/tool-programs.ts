/** The commander definitions of the tools, for what is made from them. */
import type { Command } from 'commander';
import type { Streams } from '../cli/terminal/terminal.js';

const SILENT: Streams = { out: () => undefined, err: () => undefined, interactive: false };

/**
 * The definitions of a tool.
 *
 * @param tool name of a file in cli/
 */
export const toolProgram = async (tool: string): Promise<Command> => {
  const { makeProgram } = (await import(`../cli/${tool}.js`)) as { makeProgram: (streams: Streams) => Command };
  return makeProgram(SILENT);
};

/** Options that a user sees, among them those for help and the version. */
export const optionsOf = (command: Command): ReturnType<ReturnType<Command['createHelp']>['visibleOptions']> => [
  ...command.createHelp().visibleOptions(command),
];

/** Sub-commands that a user sees. */
export const commandsOf = (command: Command): Command[] => [...command.createHelp().visibleCommands(command)];

/** What follows the name of a command on a command line; `[options]` only if there are more than help and version. */
export const synopsisOf = (command: Command): string => {
  const own = optionsOf(command).filter(({ long }) => long !== '--help' && long !== '--version');
  const usage = command.usage();
  return own.length > 0 ? usage : usage.replace(/^\[options\] ?/, '');
};

/** Names of what a command takes besides options. */
export const operandsOf = (command: Command): string[] =>
  [...synopsisOf(command).matchAll(/\[[^\]]*\]|<([^>]+)>/g)].flatMap(([, name]) => (name === undefined ? [] : [name]));

/** A tool with sub-commands that takes operands of its own too. */
export const hasOwnOperands = (program: Command): boolean => program.registeredArguments.length > 0;
