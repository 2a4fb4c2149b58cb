/** What a run of datto-backup prints: lines, or one object of JSON. */
import type { BackupEvents, BackupPlan, BackupResult } from '../../host/backup/request.js';
import { isGood } from '../../host/backup/request.js';
import type { CopyFailure } from '../../host/copy/copy.js';
import type { BlockRun } from '../../host/cow/runs.js';
import { errnoText } from '../../host/errors.js';
import { humanBytes } from '../../host/quantities.js';
import { oneLine } from '../terminal/printable.js';
import type { Progress } from '../terminal/progress.js';
import type { Streams } from '../terminal/terminal.js';
import type { Voice } from '../terminal/verbosity.js';
import { figuresJson, summaryLine } from './figures.js';

/** A line on standard error. */
export const note = (text: string): string => `datto-backup: ${oneLine(text)}\n`;

const failureLine = ({ call, subject, offset, bytes, errno }: CopyFailure, label: string): string =>
  note(`${label}cannot ${call} ${subject} at offset ${offset}, ${bytes} bytes: ${errnoText(errno)}`);

/** Differences that are printed one by one; further ones are only counted. */
const DIFFERENCES_SHOWN = 20;

const differenceLine = ({ start, count: blocks }: BlockRun, listed: boolean, label: string): string => {
  const where = blocks === 1 ? `block ${start} differs` : `blocks ${start} to ${start + blocks - 1} differ`;
  return note(`${label}${where} from the snapshot, though ${listed ? 'copied' : 'not listed as changed'}`);
};

/** Lines with the name of the backup before each, if there are several. */
export const labelled = (label: string, text: string): string => text.replace(/^(?=.)/gm, () => label);

const planLine = ({ kind, reason, bytes }: BackupPlan): string =>
  kind === 'whole'
    ? `full copy of ${humanBytes(BigInt(bytes))}: ${reason}\n`
    : `incremental, ${humanBytes(BigInt(bytes))} have changed\n`;

export const planLines = (plan: BackupPlan): string =>
  `${plan.finishFirst ? 'an interrupted backup is finished first\n' : ''}${planLine(plan)}`;

export const planJson = (plan: BackupPlan): object => ({
  dry_run: true,
  kind: plan.kind,
  reason: plan.reason,
  finish_first: plan.finishFirst,
  image: plan.image,
  volume_bytes: plan.volumeBytes,
  bytes: plan.bytes,
});

export interface Troubles {
  readonly failures: CopyFailure[];
  readonly differences: Array<BlockRun & { readonly listed: boolean }>;
  readonly notices: string[];
}

export const resultJson = (result: BackupResult, troubles: Troubles): object => ({
  dry_run: false,
  kind: result.kind,
  reason: result.reason,
  finished: result.finished,
  image: result.image,
  minor: result.minor,
  volume_bytes: result.volumeBytes,
  series: result.series,
  sequence: result.sequence,
  time: result.time.toISOString(),
  duration_seconds: result.seconds,
  copied_bytes: result.copiedBytes,
  ...figuresJson(result),
  punched_bytes: result.punchedBytes,
  failed_blocks: result.failedBlocks,
  compared_blocks: result.comparedBlocks,
  differing_blocks: result.differingBlocks,
  previous: result.previous,
  root: result.root,
  point: result.point,
  removed_points: result.removedPoints,
  failed_hooks: result.failedHooks,
  ...troubles,
});

export const resultLines = (result: BackupResult, volume: string): string => {
  const { image, sequence, series, time, copiedBytes, punchedBytes, comparedBlocks, differingBlocks, failedBlocks } =
    result;
  const zeros = punchedBytes > 0 ? `, ${humanBytes(BigInt(punchedBytes))} of it zeros` : '';
  const counts = `${humanBytes(BigInt(copiedBytes))} copied${zeros}, ${comparedBlocks} blocks compared`;
  if (!isGood(result))
    return `${oneLine(image)} is not a snapshot: ${counts}, ${failedBlocks} errors, ${differingBlocks} differ\n`;
  const what = result.point === undefined ? image : `restore point ${result.point} in ${image}`;
  const lines = [`${what} is ${volume} as of ${time.toISOString()}, snapshot ${sequence} of series ${series}`, counts];
  if (result.removedPoints?.length) lines.push(`removed: ${result.removedPoints.join(', ')}`);
  if (result.previous !== undefined) lines.push(`previous image kept: ${result.previous}`);
  if (result.root !== undefined) lines.push(`root ${result.root}`);
  lines.push(summaryLine(result));
  return `${lines.map(oneLine).join('\n')}\n`;
};

/** What the backups of one run print with. */
export interface Printer {
  readonly streams: Streams;
  readonly voice: Voice;
  readonly progress: Progress;
  readonly json: boolean;
}

/** The events of one backup; `label` is before each line of it. */
export const eventsFor = (printer: Printer, label: string, troubles: Troubles): BackupEvents => {
  const { streams, voice, progress, json } = printer;
  const warn = (text: string): void => {
    progress.clear();
    streams.err(text);
  };
  const print = (text: string): void => {
    progress.clear();
    if (!json) voice.say(labelled(label, text));
  };
  return {
    onPlan: (plan) => print(planLine(plan)),
    onStep: (text) => {
      progress.step(`${label}${text}`);
      print(`${oneLine(text)}\n`);
    },
    onDetail: (text) => {
      progress.clear();
      voice.detail(`${label}${text}`);
    },
    onProgress: (done, total) => progress.update(done, total),
    onNotice: (text) => {
      troubles.notices.push(text);
      warn(note(`${label}${text}`));
    },
    onFailure: (failure) => {
      troubles.failures.push(failure);
      if (troubles.failures.length <= DIFFERENCES_SHOWN) warn(failureLine(failure, label));
    },
    onDifference: (run, listed) => {
      troubles.differences.push({ ...run, listed });
      const shown = troubles.differences.length;
      if (shown <= DIFFERENCES_SHOWN) warn(differenceLine(run, listed, label));
      if (shown === DIFFERENCES_SHOWN) warn(note(`${label}further differences are only counted`));
    },
  };
};
