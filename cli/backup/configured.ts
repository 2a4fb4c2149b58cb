/** Sub-commands of datto-backup: run, check-config, end and status, for what is configured in files; and targets. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Config } from '../../host/config/config.js';
import {
  configFolder,
  configNames,
  configPath,
  configsWith,
  findingLine,
  readConfig,
  requireSettings,
} from '../../host/config/config.js';
import { NEVER } from '../../host/config/keys.js';
import { requireCalendar } from '../../host/config/timer.js';
import { EINVAL, RefusalError } from '../../host/errors.js';
import { duration } from '../terminal/options.js';
import { oneLine } from '../terminal/printable.js';
import type { Streams } from '../terminal/terminal.js';
import { errorLine, printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { addVerbosity, voiceOf } from '../terminal/verbosity.js';
import type { RunOptions } from './options.js';
import { addRunOptions, requestWith } from './options.js';
import type { Configured } from './recorded.js';
import { recorded, recordFailure } from './recorded.js';
import { backUp, endTracking, report, showPlan } from './run.js';
import type { StatusOptions } from './status.js';
import { showStatus } from './status.js';
import type { TargetsOptions } from './targets.js';
import { showTargets } from './targets.js';

/** Takes what a sub-command does, to be run once the command line is read. */
export type Choose = (run: () => number) => void;

interface ConfiguredOptions extends RunOptions {
  readonly metrics?: string;
}

const configuredBy = (config: Config, options: ConfiguredOptions): Configured => {
  const settings = requireSettings(config);
  const metrics = options.metrics ?? settings.metrics;
  const request = requestWith(settings.request, options);
  return { name: config.name, settings, request, ...(metrics === undefined ? {} : { metrics }) };
};

/** They would write the same file. */
const requireOneFor = (metrics: string | undefined, count: number): void => {
  if (metrics === undefined || count === 1) return;
  const why = 'they would write the same file; hint: the key metrics of each file';
  throw new RefusalError('CONFIG_WRONG', `cannot use --metrics with ${count} backups: ${why}`);
};

const run = (names: readonly string[], options: ConfiguredOptions, streams: Streams): number => {
  // What is wrong with these is seen in their own files, by `status` too; what is wrong with a member must be recorded for them.
  const named = [...new Set(names)].map((name) => configuredBy(readConfig(name), options));
  let backups: readonly Configured[];
  try {
    backups = configsWith(names).map((config) => configuredBy(config, options));
  } catch (error) {
    if (!options.dryRun) recordFailure(named, error);
    throw error;
  }
  requireOneFor(options.metrics, backups.length);
  if (options.dryRun) return showPlan(backups, options, streams);
  const ended = recorded(backups, () => backUp(backups, options, streams));
  return report(ended, options, streams);
};

/** Why a configuration that is backed up with this one cannot be read. */
const memberFlaws = (name: string): string[] => {
  try {
    configsWith([name]);
    return [];
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    return [errorLine(error)];
  }
};

/** What is wrong with a configuration, one line each. */
const flawsOf = (name: string): string[] => {
  try {
    const { path, settings, findings } = readConfig(name);
    if (settings && settings.schedule !== NEVER) requireCalendar(path, settings.schedule);
    return [...findings.map((finding) => findingLine(path, finding)), ...memberFlaws(name)];
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code === 'CONFIG_MISSING') throw error;
    return [errorLine(error)];
  }
};

interface CheckOptions extends VerbosityOptions {
  readonly json?: boolean;
}

const check = (chosen: string | undefined, options: CheckOptions, streams: Streams): number => {
  const { say, detail } = voiceOf('datto-backup', options, streams);
  const names = chosen === undefined ? configNames() : [chosen];
  const checked = names.map((name) => {
    detail(`reading ${configPath(name)}`);
    return { name, flaws: flawsOf(name) };
  });
  const isGood = checked.every(({ flaws }) => flaws.length === 0);
  for (const { flaws } of checked) for (const flaw of flaws) streams.err(`datto-backup: ${oneLine(flaw)}\n`);
  if (options.json) printJson({ folder: configFolder(), configs: checked }, streams);
  else {
    if (names.length === 0) say(`no backups are configured in ${oneLine(configFolder())}\n`);
    for (const { name, flaws } of checked) if (flaws.length === 0) say(`${oneLine(name)}: good\n`);
  }
  return isGood ? 0 : EINVAL;
};

export const addConfigured = (program: Command, streams: Streams, choose: Choose): void => {
  addRunOptions(program.command('run'))
    .description('make the backup that a file NAME.conf configures; of several, as their volumes were at one instant')
    .argument('<name...>', 'name of the file, without .conf')
    .option('--metrics <file>', 'write metrics for the textfile collector of node_exporter')
    .allowExcessArguments(false)
    .action((names: string[], options: ConfiguredOptions) => choose(() => run(names, options, streams)));
  addVerbosity(program.command('check-config'))
    .description('check the files that configure backups, without making any')
    .argument('[name]', 'check this one only')
    .option('--json', 'print one JSON object on standard output')
    .allowExcessArguments(false)
    .action((name: string | undefined, options: CheckOptions) => choose(() => check(name, options, streams)));
  addVerbosity(program.command('end'))
    .description('end the tracking of a configured backup; its images stay')
    .argument('<name>', 'name of the file, without .conf')
    .allowExcessArguments(false)
    .action((name: string, options: VerbosityOptions) =>
      choose(() => endTracking(requireSettings(readConfig(name)).request, options, streams)),
    );
  addVerbosity(program.command('targets'))
    .description('show the targets of a volume, each with the newest snapshot that it has')
    .argument('<block device>', 'the volume')
    .option(
      '--forget <target>',
      'keep no lists of changes for this one; without others, end the tracking of the volume',
    )
    .option('--json', 'print one JSON object on standard output')
    .allowExcessArguments(false)
    .action((volume: string, options: TargetsOptions) => choose(() => showTargets(volume, options, streams)));
  addVerbosity(program.command('status'))
    .description('show whether the configured backups are as they should be, for monitoring')
    .argument('[name]', 'show this one only')
    .addOption(new Option('--max-age <time>', 'a backup that is older is not good: 26h, 90min, 2d').argParser(duration))
    .option('--json', 'print one JSON object on standard output')
    .allowExcessArguments(false)
    .action((name: string | undefined, options: StatusOptions) => choose(() => showStatus(name, options, streams)));
};
