import type { GuestTime } from './times.js';

/** How a run of a virtual machine ended. */
export interface Outcome {
  /** exit status of the script; absent if the guest died or was killed */
  readonly status?: number;
  /** what the guest was doing when its time was over, if that is how it ended */
  readonly overdue?: string;
  /** the kernel did not come to the script, nor to our module */
  readonly stuck: boolean;
  readonly seconds: number;
  /** time of this machine's CPUs that QEMU took */
  readonly cpuSeconds: number;
  /** where the guest's time went, as far as it came to write that down */
  readonly times: GuestTime;
  readonly log: string;
  readonly dmesg: string;
  readonly console: string;
}
