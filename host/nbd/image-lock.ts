/** Images that another program of qemu has open: whoever wants to write one of them is refused. */
import { RefusalError } from '../errors.js';
import { pause } from '../system/clock.js';

/** The programs of a run that was killed end a moment after it. */
const LOCK_MS = 5000;
const STEP_MS = 50;

const isLocked = (error: unknown): boolean =>
  error instanceof RefusalError && /Failed to get .*lock|Is another process using the image/.test(error.message);

/** Runs a program of qemu; as long as another one has its image open, again, for up to LOCK_MS. Throws what the last one did. */
export const whileLocked = <T>(run: () => T): T => {
  for (const deadline = Date.now() + LOCK_MS; ; pause(STEP_MS)) {
    try {
      return run();
    } catch (error) {
      if (!isLocked(error) || Date.now() > deadline) throw error;
    }
  }
};
