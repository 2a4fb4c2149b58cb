/** The commander definitions of the tools, for what is made from them. */
import { Command, CommanderError } from 'commander';

const programs = new Map<string, Command>();

/**
 * The definitions of a tool.
 *
 * A tool's file runs the tool as soon as it is loaded; so its program is caught when it is about to read the command
 * line, and the run ends there, in the way in which it ends after `--help`.
 *
 * @param tool name of a file in cli/
 * @throws Error if the tool reads no command line with commander
 */
export const toolProgram = async (tool: string): Promise<Command> => {
  const known = programs.get(tool);
  if (known) return known;
  const { parse, parseAsync } = Command.prototype;
  const { argv, exitCode } = process;
  let caught: Command | undefined;
  const stop = function (this: Command): never {
    caught = this;
    throw new CommanderError(0, 'commander.help', tool);
  };
  Command.prototype.parse = stop;
  Command.prototype.parseAsync = stop;
  process.argv = [...argv.slice(0, 1), tool, '--help'];
  try {
    await import(`../cli/${tool}.js`);
  } finally {
    Object.assign(Command.prototype, { parse, parseAsync });
    Object.assign(process, { argv, exitCode });
  }
  if (!caught)
    throw new Error(`Cannot read the definitions of ${tool}: it parsed nothing, expected a commander program`);
  programs.set(tool, caught);
  return caught;
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
