/** The records of configured backups around their run: for `status`, and for node_exporter. */

import type { Settings } from '../../host/config/keys.js';
import { writeMetrics } from '../../host/config/metrics.js';
import { RunRecord } from '../../host/config/record.js';
import { RefusalError, SystemError } from '../../host/errors.js';
import { errorLine } from '../terminal/terminal.js';
import type { Asked, Ended } from './run.js';
import { exitStatus } from './run.js';

export interface Configured extends Asked {
  readonly name: string;
  readonly settings: Settings;
  /** File for node_exporter. */
  readonly metrics?: string;
}

interface Open {
  readonly backup: Configured;
  readonly record: RunRecord;
}

/** Records how a backup ended. */
const finish = (
  { backup, record }: Open,
  { status, message, result }: Pick<Ended, 'status' | 'message' | 'result'>,
): void => {
  const known = record.finish(status, message, result);
  if (backup.metrics !== undefined) writeMetrics(backup.metrics, backup.settings, known);
};

/** Returns why it could not be recorded, if so. */
const tryTo = (run: () => void): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
    return error.message;
  }
};

/** Records the error that kept all of them from being made; it is the one to report, and not what may be wrong with a record. */
const failAll = (open: readonly Open[], error: unknown): void => {
  for (const one of open) tryTo(() => finish(one, { status: exitStatus(error), message: errorLine(error) }));
};

/**
 * Runs backups, and records how each ended, also if `run` throws.
 *
 * @throws RefusalError BACKUP_RUNNING if another run of one of them is in progress
 */
export const recorded = (backups: readonly Configured[], run: () => readonly Ended[]): readonly Ended[] => {
  const open: Open[] = [];
  let all: readonly Ended[];
  try {
    for (const backup of backups) open.push({ backup, record: new RunRecord(backup.name, backup.request) });
    all = run();
  } catch (error) {
    failAll(open, error);
    throw error;
  }
  for (const [index, ended] of all.entries()) {
    const one = open[index];
    const why = one && tryTo(() => finish(one, ended));
    if (why !== undefined && ended.result) ended.notice(`${why}: the backup was made, and is not recorded`);
  }
  return all;
};

/**
 * Records why backups could not even begin.
 *
 * @throws RefusalError BACKUP_RUNNING if another run of one of them is in progress
 */
export const recordFailure = (backups: readonly Configured[], error: unknown): void =>
  failAll(
    backups.map((backup) => ({ backup, record: new RunRecord(backup.name, backup.request) })),
    error,
  );
