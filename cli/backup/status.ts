/**
 * datto-backup status. Exit status: 0 all are good; 1 one is known to be wrong; 2 one is not known to be right, or none is
 * configured.
 */
import { configFolder, configNames, configPath } from '../../host/config/config.js';
import type { Success } from '../../host/config/record.js';
import { recordPath } from '../../host/config/record.js';
import type { BackupStatus, Verdict } from '../../host/config/status.js';
import { backupStatus } from '../../host/config/status.js';
import { humanBytes } from '../../host/quantities.js';
import { shownTarget } from '../../host/targets/open-target.js';
import { oneLine } from '../terminal/printable.js';
import { ageText } from '../terminal/status-table.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { voiceOf } from '../terminal/verbosity.js';
import { figuresJson, figureTexts, secondsText } from './figures.js';

export interface StatusOptions extends VerbosityOptions {
  readonly maxAge?: number;
  readonly json?: boolean;
}

const EXIT: Readonly<Record<Verdict, number>> = { good: 0, bad: 1, unknown: 2 };

/** Known to be wrong counts more than not known to be right. */
const worst = (statuses: readonly BackupStatus[]): Verdict =>
  (['bad', 'unknown'] as const).find((verdict) => statuses.some((status) => status.verdict === verdict)) ??
  (statuses.length === 0 ? 'unknown' : 'good');

const runSeconds = ({ began, ended }: Success): number => (ended.getTime() - began.getTime()) / 1000;

const COMPARED = {
  copied: 'what was copied, and a sample of the rest',
  all: 'all blocks',
  nothing: 'nothing was compared',
} as const;

const successLines = (success: Success, age: number): Array<[string, string]> => {
  const kind = success.kind === 'whole' ? 'full' : 'incremental';
  const took = [`in ${secondsText(runSeconds(success))}`, ...figureTexts(success)].join(', ');
  return [
    [
      'last backup',
      `${success.time.toISOString()}, ${ageText(age)} ago: ${kind}, ${humanBytes(BigInt(success.copiedBytes))} ${took}`,
    ],
    ['verified', success.verify === 'nothing' ? 'no' : `${success.ended.toISOString()}: ${COMPARED[success.verify]}`],
  ];
};

const linesOf = (status: BackupStatus): string[] => {
  const { name, verdict, reasons, settings, record, ageSeconds, tracked, timer } = status;
  const lines: Array<[string, string]> = [];
  if (settings) lines.push(['volume', settings.request.volume], ['folder', shownTarget(settings.request.folder)]);
  if (record?.success && ageSeconds !== undefined) lines.push(...successLines(record.success, ageSeconds));
  if (status.isRunning) lines.push(['in progress', `since ${record?.open?.began.toISOString()}`]);
  if (record?.success) lines.push(['tracked', tracked ?? 'no: the next run makes a full copy']);
  if (timer) lines.push(['next run', timer.next?.toISOString() ?? (timer.isActive ? 'not known' : 'none')]);
  return [
    `${name}: ${verdict}`,
    ...reasons.map((reason) => `  ${reason}`),
    ...lines.map(([key, value]) => `  ${key.padEnd(12)} ${value}`),
  ].map(oneLine);
};

const jsonOf = (status: BackupStatus): unknown => {
  const { name, verdict, reasons, settings, record, isRunning, ageSeconds, tracked, timer } = status;
  const { success, last } = record ?? {};
  return {
    name,
    verdict,
    reasons,
    volume: settings?.request.volume,
    folder: settings && shownTarget(settings.request.folder),
    running: isRunning,
    last_run: last && { began: last.began, ended: last.ended, status: last.status, message: last.message },
    last_success: success && {
      time: success.time,
      age_seconds: ageSeconds,
      kind: success.kind,
      duration_seconds: runSeconds(success),
      copied_bytes: success.copiedBytes,
      ...figuresJson(success),
      volume_bytes: success.volumeBytes ?? null,
      compared_blocks: success.comparedBlocks,
      verify: success.verify,
      verified: success.verify === 'nothing' ? null : success.ended,
      series: success.series,
      sequence: success.sequence,
    },
    tracked: tracked ?? null,
    next_run: timer?.next ?? null,
  };
};

/** Prints the status of one backup, or of all. */
export const showStatus = (chosen: string | undefined, options: StatusOptions, streams: Streams): number => {
  const { maxAge, json } = options;
  const { say, detail } = voiceOf('datto-backup', options, streams);
  const names = chosen === undefined ? configNames() : [chosen];
  const statuses = names.map((name) => {
    detail(`reading ${configPath(name)} and ${recordPath(name)}`);
    return backupStatus(name, maxAge);
  });
  const verdict = worst(statuses);
  if (json) printJson({ verdict, backups: statuses.map(jsonOf) }, streams);
  else if (names.length === 0) say(`no backups are configured in ${oneLine(configFolder())}\n`);
  else for (const status of statuses) say(`${linesOf(status).join('\n')}\n`);
  return EXIT[verdict];
};
