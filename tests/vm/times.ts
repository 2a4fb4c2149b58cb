/** Where the time of a guest went, from what guest/boot.sh writes down: a line when the script begins, one when it ends. */

/** In seconds, over all boots. */
export interface GuestTime {
  /** from the kernel's start until the script began */
  readonly boot: number;
  /** while the script ran: when its CPUs had nothing to do, or waited for a disk, each counted */
  readonly waiting: number;
}

/** Of /proc/stat and /proc/<pid>/stat on this architecture. */
export const TICKS_PER_SECOND = 100;

/**
 * @param text lines "begin <uptime> <first line of /proc/stat>" and "end <the same>"; a boot that ended early has no second
 */
export function sumOfTimes(text: string): GuestTime {
  const total = { boot: 0, waiting: 0 };
  let begun: number | undefined;
  for (const line of text.split('\n')) {
    const [what, uptime, , ...ticks] = line.trim().split(/\s+/);
    const [, , , idle, iowait] = ticks.map((tick) => Number(tick) / TICKS_PER_SECOND);
    if (iowait === undefined) continue;
    const now = idle! + iowait;
    if (what === 'begin') {
      total.boot += Number(uptime);
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
