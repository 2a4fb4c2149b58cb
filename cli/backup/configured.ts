/** datto-backup run and check-config: backups that are configured in files. */
import type { Command } from 'commander';
import { configFolder, configNames, findingLine, readConfig, requireSettings } from '../../host/config/config.js';
import { requireCalendar } from '../../host/config/timer.js';
import { EINVAL, RefusalError } from '../../host/errors.js';
import { oneLine } from '../terminal/printable.js';
import type { Streams } from '../terminal/terminal.js';
import { errorLine, printJson } from '../terminal/terminal.js';
import type { RunOptions } from './options.js';
import { addRunOptions, requestWith } from './options.js';
import { backUp, showPlan } from './run.js';

/** Takes what a sub-command does, to be run once the command line is read. */
export type Choose = (run: () => number) => void;

const run = (name: string, options: RunOptions, streams: Streams): number => {
  const { request } = requireSettings(readConfig(name));
  const wanted = requestWith(request, options);
  if (options.dryRun) return showPlan(wanted, options, streams);
  const { status, print } = backUp(wanted, options, streams);
  print();
  return status;
};

/** What is wrong with a configuration, one line each. */
const flawsOf = (name: string): string[] => {
  try {
    const { path, settings, findings } = readConfig(name);
    if (settings) requireCalendar(path, settings.schedule);
    return findings.map((finding) => findingLine(path, finding));
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code === 'CONFIG_MISSING') throw error;
    return [errorLine(error)];
  }
};

const check = (chosen: string | undefined, json: boolean, streams: Streams): number => {
  const names = chosen === undefined ? configNames() : [chosen];
  const checked = names.map((name) => ({ name, flaws: flawsOf(name) }));
  const isGood = checked.every(({ flaws }) => flaws.length === 0);
  for (const { flaws } of checked) for (const flaw of flaws) streams.err(`datto-backup: ${oneLine(flaw)}\n`);
  if (json) printJson({ folder: configFolder(), configs: checked }, streams);
  else {
    if (names.length === 0) streams.out(`no backups are configured in ${oneLine(configFolder())}\n`);
    for (const { name, flaws } of checked) if (flaws.length === 0) streams.out(`${oneLine(name)}: good\n`);
  }
  return isGood ? 0 : EINVAL;
};

export const addConfigured = (program: Command, streams: Streams, choose: Choose): void => {
  addRunOptions(program.command('run'))
    .description('make the backup that a file NAME.conf configures')
    .argument('<name>', 'name of the file, without .conf')
    .allowExcessArguments(false)
    .action((name: string, options: RunOptions) => choose(() => run(name, options, streams)));
  program
    .command('check-config')
    .description('check the files that configure backups, without making any')
    .argument('[name]', 'check this one only')
    .option('--json', 'print one JSON object on standard output')
    .allowExcessArguments(false)
    .action((name: string | undefined, { json }: { json?: boolean }) =>
      choose(() => check(name, json === true, streams)),
    );
};
