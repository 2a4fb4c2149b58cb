/**
 * Where the time of a guest went, from what it writes down: a line when it goes on from a saved state (booted.ts), one when the
 * script begins, one when it ends.
 */

/** In seconds, over all boots. */
export interface GuestTime {
  /** from the kernel's start, or from the state that it was saved in, until the script began */
  readonly boot: number;
  /** while the script ran: when its CPUs had nothing to do, or waited for a disk, each counted */
  readonly waiting: number;
}

/** Of /proc/stat and /proc/<pid>/stat on this architecture. */
export const TICKS_PER_SECOND = 100;

/**
 * @param text lines "restored <uptime>", "begin <uptime> <first line of /proc/stat>" and "end <the same>"; a real boot lacks the
 *   first one, and what ended early the last one
 */
export function sumOfTimes(text: string): GuestTime {
  const total = { boot: 0, waiting: 0 };
  let begun: number | undefined;
  let from = 0;
  for (const line of text.split('\n')) {
    const [what, uptime, , ...ticks] = line.trim().split(/\s+/);
    if (what === 'restored') from = Number(uptime);
    const [, , , idle, iowait] = ticks.map((tick) => Number(tick) / TICKS_PER_SECOND);
    if (iowait === undefined) continue;
    const now = idle! + iowait;
    if (what === 'begin') {
      total.boot += Number(uptime) - from;
      from = 0;
      begun = now;
    } else if (begun !== undefined) {
      total.waiting += now - begun;
      begun = undefined;
    }
  }
  return total;
}

/** For the line of a scenario. @param cpuSeconds time of this machine's CPUs that QEMU took */
export const timesText = ({ boot, waiting }: GuestTime, cpuSeconds: number): string =>
  `boot ${boot.toFixed(0)}, idle ${waiting.toFixed(0)}, CPU ${cpuSeconds.toFixed(0)}`;
