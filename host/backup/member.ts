/** A volume of a run: of one, or of several at one instant. What stops one of them stops all, until their snapshots are taken. */
import type { BackupEvents, BackupRequest, RunResult } from './request.js';

export interface Member {
  readonly request: BackupRequest;
  readonly events?: BackupEvents;
}

/** How a member ended. */
export type Outcome<T = RunResult> = { readonly result: T } | { readonly error: unknown };

/** No snapshot was taken. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  /** Of the member that stopped the run; undefined if it was none in particular. */
  readonly request: BackupRequest | undefined;
  readonly outcome: Outcome;

  constructor(request: BackupRequest | undefined, outcome: Outcome) {
    super('no snapshot was taken');
    [this.request, this.outcome] = [request, outcome];
  }
}

/** Runs what belongs to a member. Throws a Stopped with what `run` throws; one of another member stays what it is. */
export const forMember = <T>(request: BackupRequest | undefined, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    throw error instanceof Stopped ? error : new Stopped(request, { error });
  }
};

/** The error that stopped a run with one member. */
export const unwrapped = <T>(run: () => T): T => {
  try {
    return run();
  } catch (error) {
    throw error instanceof Stopped && 'error' in error.outcome ? error.outcome.error : error;
  }
};
