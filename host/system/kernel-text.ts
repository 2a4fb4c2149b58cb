/** Files of /proc and /sys, whose subject may go away at any moment. */
import { readFileSync } from 'node:fs';
import { errnoOf } from '../errors.js';

/** The text of such a file; undefined if it does not exist, or not any more. */
export const kernelText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
};
