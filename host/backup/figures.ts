/** What a backup amounts to: derived from its result, for who prints or records it. */
import { BLOCK_BYTES } from '../layout.js';

export interface Copied {
  readonly copiedBytes: number;
  /** Seconds that the copy took, without the comparison; undefined if it is not known. */
  readonly copySeconds?: number | undefined;
  readonly volumeBytes?: number | undefined;
}

export interface Figures {
  readonly copiedBlocks: number;
  /** Undefined if nothing was copied, or the time is not known. */
  readonly bytesPerSecond?: number;
  /** What was copied, as a part of the volume, from 0 to 1; undefined if its size is not known. */
  readonly copiedRatio?: number;
}

/** The figures of a copy. */
export const figuresOf = ({ copiedBytes, copySeconds = 0, volumeBytes = 0 }: Copied): Figures => ({
  copiedBlocks: Math.ceil(copiedBytes / BLOCK_BYTES),
  ...(copiedBytes > 0 && copySeconds > 0 ? { bytesPerSecond: copiedBytes / copySeconds } : {}),
  ...(volumeBytes > 0 ? { copiedRatio: copiedBytes / volumeBytes } : {}),
});
