/** Whether an image may be updated, and from which offset, by its state file. */

import type { RefusalCode } from '../errors.js';
import { RefusalError } from '../errors.js';
import type { ImageState, Previous } from './state.js';

/** The requested update. */
export interface Step {
  readonly image: string;
  /** Series, 32 hex digits. */
  readonly series: string;
  /** Lowest number among the COW files: an image of this snapshot, or of a later one, can be updated. */
  readonly from: bigint;
  /** Number of the snapshot. */
  readonly to: bigint;
  readonly changedBlocks: number;
  /** Size of the snapshot. */
  readonly bytes: number;
  /** Time of the image's last change, undefined for devices. */
  readonly mtime: bigint | undefined;
}

export interface Decision {
  /** `adopt`: there was no state, or the user overrides it. `again`: the image is that snapshot already. */
  readonly action: 'adopt' | 'begin' | 'resume' | 'again';
  /** Number of the snapshot that the image is, or was before the interrupted update. */
  readonly sequence: bigint;
  readonly cursor: number;
  /** `resume`: the list is not the one that the update began with, so an undo log may not cover it. */
  readonly otherList?: boolean;
  /** The kept previous image, which stays as it is. */
  readonly previous?: Previous;
}

const ADOPT = 'if it still is, use --adopt';

const refuse = (code: RefusalCode, { image }: Step, why: string): RefusalError =>
  new RefusalError(code, `cannot update ${image}: ${why}`);

/** The remedy for an image that is a mixture whose snapshot no longer exists. */
const wayOut = ({ previous }: ImageState, image: string): string =>
  previous
    ? `\`update-img --rollback ${image}\` restores snapshot ${previous.sequence}`
    : 'give the COW files of all snapshots since with --also, or make a full copy of the snapshot and use --adopt';

const interrupted = (state: ImageState, step: Step): RefusalError => {
  const between = `an update from snapshot ${state.sequence} to ${state.next} was interrupted`;
  const why = `${between}, and this leads from ${step.from} to ${step.to}; ${wayOut(state, step.image)}`;
  return refuse('IMAGE_INTERRUPTED', step, why);
};

const decideClean = (state: ImageState, step: Step): Decision => {
  const { sequence, mtime, previous } = state;
  if (mtime !== undefined && step.mtime !== undefined && mtime !== step.mtime) {
    const why = `something else wrote it after ${state.time}, so it may not be snapshot ${sequence} any more; ${ADOPT}`;
    throw refuse('IMAGE_CHANGED', step, why);
  }
  if (sequence < step.from || sequence > step.to) {
    const span = step.from + 1n === step.to ? `${step.from}` : `${step.from} to ${step.to - 1n}`;
    throw refuse('IMAGE_SEQUENCE', step, `it is snapshot ${sequence}, expected ${span}`);
  }
  const kept = previous ? { previous } : {};
  if (sequence === step.to) return { action: 'again', sequence, cursor: 0, ...kept };
  return { action: 'begin', sequence, cursor: 0 };
};

/**
 * Decides.
 *
 * @param state of the image; undefined if there is none
 * @param adopt the user guarantees that the image is snapshot `from`
 * @throws RefusalError IMAGE_SERIES, IMAGE_SEQUENCE, IMAGE_CHANGED, IMAGE_DIFFERS, IMAGE_INTERRUPTED,
 * ROLLBACK_INTERRUPTED
 */
export const decide = (state: ImageState | undefined, step: Step, adopt: boolean): Decision => {
  if (!state || adopt) return { action: 'adopt', sequence: step.from, cursor: 0 };
  const { sequence, next, previous } = state;
  if (state.series !== step.series) {
    const why = `it is of series ${state.series}, expected ${step.series}; if it is a new image of that series, use --adopt`;
    throw refuse('IMAGE_SERIES', step, why);
  }
  switch (state.state) {
    case 'CLEAN':
      return decideClean(state, step);
    case 'DIFFERS': {
      const why = `it was found to differ from snapshot ${sequence} where nothing was listed as changed; `;
      const back = previous ? `\`update-img --rollback ${step.image}\`, or ` : '';
      throw refuse('IMAGE_DIFFERS', step, `${why}${back}make a full copy of the snapshot and use --adopt`);
    }
    case 'ROLLING_BACK': {
      const why = `a rollback of it was interrupted; finish it with \`update-img --rollback ${step.image}\``;
      throw refuse('ROLLBACK_INTERRUPTED', step, why);
    }
    case 'UPDATING': {
      // The lists must cover all that the interrupted update touched.
      if (next === undefined || sequence < step.from || next > step.to) throw interrupted(state, step);
      const sameSize = state.bytes === step.bytes;
      const sameList = sameSize && next === step.to && state.changedBlocks === step.changedBlocks;
      return {
        action: 'resume',
        sequence,
        cursor: sameList ? (state.cursor ?? 0) : 0,
        otherList: !sameList,
        ...(previous ? { previous } : {}),
      };
    }
  }
};
