/** datto-backup targets: the targets of a volume, and how one is given up. */
import type { Ended } from '../../host/backup/targets.js';
import { forgetTarget, targetsOf } from '../../host/backup/targets.js';
import { Driver } from '../../host/driver/driver.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { oneLine } from '../terminal/printable.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { voiceOf } from '../terminal/verbosity.js';

export interface TargetsOptions extends VerbosityOptions {
  readonly forget?: string;
  readonly json?: boolean;
}

/** How a target ended, in words. */
export const endedText = (volume: string, { minor, others }: Ended): string => {
  if (others.length > 0) return `${volume} is still tracked, for ${others.join(', ')}`;
  return minor === undefined ? `nothing tracks ${volume}` : `minor ${minor} is destroyed`;
};

const forget = (volume: string, address: string, options: TargetsOptions, streams: Streams): number => {
  const syscalls = nativeSyscalls();
  const voice = voiceOf('datto-backup', options, streams);
  const onWait = (): void =>
    streams.err(`datto-backup: a run that backs up ${oneLine(volume)} is in progress; its end is waited for\n`);
  const ended = forgetTarget(volume, address, { syscalls, driver: new Driver(syscalls) }, onWait);
  if (options.json) printJson({ forgotten: address, minor: ended.minor ?? null, others: ended.others }, streams);
  else voice.say(`${oneLine(`${endedText(volume, ended)}; what is in ${address} stays`)}\n`);
  return 0;
};

/** Shows the targets of a volume, or gives up one of them. */
export const showTargets = (volume: string, options: TargetsOptions, streams: Streams): number => {
  if (options.forget !== undefined) return forget(volume, options.forget, options, streams);
  const targets = targetsOf(volume, { syscalls: nativeSyscalls() });
  if (options.json) {
    const rows = targets.map(({ address, series, sequence, time }) => ({ address, time, series, sequence }));
    printJson({ volume, targets: rows }, streams);
    return 0;
  }
  const { say } = voiceOf('datto-backup', options, streams);
  if (targets.length === 0) say(`${oneLine(volume)} has no targets: no backup of it has succeeded yet\n`);
  for (const { address, series, sequence, time } of targets)
    say(`${oneLine(`${address}: snapshot ${sequence} of series ${series}, ${time.toISOString()}`)}\n`);
  return 0;
};
