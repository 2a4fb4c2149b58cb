/** datto-verify points: reads restore points and compares them with the sums that were kept of what was written. */
import type { OpenPoint, RestorePoint, Source } from '../../host/restore/point.js';
import { findPoint, requirePoints } from '../../host/restore/point.js';
import { withSource } from '../../host/restore/source.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import type { PointDamage } from '../../host/targets/target.js';
import { oneLine } from '../terminal/printable.js';
import { Progress } from '../terminal/progress.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';
import { voiceOf } from '../terminal/verbosity.js';

export interface PointsOptions extends VerbosityOptions {
  readonly json?: boolean;
}

const DIFFERENT = 3;

/** What was found of a point. */
interface Found {
  readonly name: string;
  /** Undefined: nothing was kept to compare it with. */
  readonly differing_blocks: number | undefined;
  readonly damage: readonly PointDamage[];
}

const verify = (open: OpenPoint, onDamage: (damage: PointDamage) => void, progress: Progress): Found => {
  const { name, bytes } = open.point;
  const damage: PointDamage[] = [];
  const differing = open.read({
    onProgress: (done) => progress.update(done, bytes),
    onDamage: (found) => {
      damage.push(found);
      onDamage(found);
    },
  });
  return { name, differing_blocks: differing, damage };
};

const placeOf = ({ start, count }: PointDamage): string =>
  count === 1 ? `block ${start} has rotted` : `blocks ${start} to ${start + count - 1} have rotted`;

const resultText = ({ name, differing_blocks: differing }: Found, { bytes }: RestorePoint): string => {
  if (differing === undefined) return `${name}: no sums were kept to compare it with`;
  return `${name}: ${bytes} bytes read, ${differing} blocks have rotted`;
};

/**
 * Verifies points of a target: all, or those that are named.
 *
 * @returns the exit status: 3 if something has rotted, or cannot be compared with anything
 */
export const verifyPoints = (
  address: string,
  names: readonly string[],
  options: PointsOptions,
  streams: Streams,
): number =>
  withSource(address, nativeSyscalls(), (source) => verifyPointsOf(source, address, names, options, streams));

const verifyPointsOf = (
  source: Source,
  address: string,
  names: readonly string[],
  options: PointsOptions,
  streams: Streams,
): number => {
  const { say, detail, progress: shows } = voiceOf('datto-verify', options, streams);
  const progress = new Progress(streams, shows);
  const notices: string[] = [];
  const points = requirePoints(source, (text) => notices.push(text));
  const wanted = names.length === 0 ? points : names.map((name) => findPoint(points, address, name));
  for (const text of notices) streams.err(`datto-verify: ${oneLine(text)}\n`);
  const results = wanted.map((point) => {
    detail(`reading ${oneLine(point.name)}`);
    const open = source.open(point);
    try {
      const print = (damage: PointDamage): void => {
        progress.clear();
        if (!options.json) streams.out(`${oneLine(`${point.name}: ${placeOf(damage)}`)}\n`);
      };
      const found = verify(open, print, progress);
      progress.clear();
      if (!options.json) say(`${oneLine(resultText(found, point))}\n`);
      return found;
    } finally {
      open.close();
    }
  });
  if (options.json) printJson({ target: address, points: results, notices }, streams);
  const isGood = results.every(({ differing_blocks: differing }) => differing === 0) && notices.length === 0;
  return isGood ? 0 : DIFFERENT;
};
