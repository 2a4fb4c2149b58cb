/** Sub-commands of datto-backup: run, check-config, end and status, for what is configured in files; and targets. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { BackupResult } from '../../host/backup/request.js';
import {
  configFolder,
  configNames,
  configPath,
  findingLine,
  readConfig,
  requireSettings,
} from '../../host/config/config.js';
import { writeMetrics } from '../../host/config/metrics.js';
import { RunRecord } from '../../host/config/record.js';
import { requireCalendar } from '../../host/config/timer.js';
import { EINVAL, RefusalError, SystemError } from '../../host/errors.js';
import { duration } from '../terminal/options.js';
import { oneLine } from '../terminal/printable.js';
import type { Streams } from '../terminal/terminal.js';
import { errorLine, printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { addVerbosity, voiceOf } from '../terminal/verbosity.js';
import type { RunOptions } from './options.js';
import { addRunOptions, requestWith } from './options.js';
import type { Outcome } from './run.js';
import { backUp, endTracking, exitStatus, showPlan } from './run.js';
import type { StatusOptions } from './status.js';
import { showStatus } from './status.js';
import type { TargetsOptions } from './targets.js';
import { showTargets } from './targets.js';

/** Takes what a sub-command does, to be run once the command line is read. */
export type Choose = (run: () => number) => void;

interface ConfiguredOptions extends RunOptions {
  readonly metrics?: string;
}

/** Why a run that came to its end is no success. */
const shortfall = ({ differingBlocks, failedBlocks, failedHooks }: BackupResult): string => {
  if (failedBlocks > 0) return `${failedBlocks} errors`;
  return differingBlocks > 0 ? `${differingBlocks} blocks differ` : failedHooks.join('; ');
};

const run = (name: string, options: ConfiguredOptions, streams: Streams): number => {
  const settings = requireSettings(readConfig(name));
  const request = requestWith(settings.request, options);
  if (options.dryRun) return showPlan(request, options, streams);
  const record = new RunRecord(name, request);
  /** Records how it ended, for `status` and for node_exporter. */
  const finish = (status: number, message: string, result?: BackupResult): void => {
    const known = record.finish(status, message, result);
    const metrics = options.metrics ?? settings.metrics;
    if (metrics !== undefined) writeMetrics(metrics, settings, known);
  };
  let outcome: Outcome;
  try {
    outcome = backUp(request, options, streams);
  } catch (error) {
    try {
      finish(exitStatus(error), errorLine(error));
    } catch (other) {
      // The run's own error is the one to report.
      if (!(other instanceof RefusalError || other instanceof SystemError)) throw other;
    }
    throw error;
  }
  const { status, result } = outcome;
  try {
    finish(status, shortfall(result), result);
  } catch (error) {
    if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
    outcome.notice(`${error.message}: the backup was made, and is not recorded`);
  }
  outcome.print();
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
    .description('make the backup that a file NAME.conf configures')
    .argument('<name>', 'name of the file, without .conf')
    .option('--metrics <file>', 'write metrics for the textfile collector of node_exporter')
    .allowExcessArguments(false)
    .action((name: string, options: ConfiguredOptions) => choose(() => run(name, options, streams)));
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
