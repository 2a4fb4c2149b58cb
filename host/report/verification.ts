/** Results of verifications, as the other tools left or printed them, for the snapshots of a report. */
import { RefusalError } from '../errors.js';
import { imageStateFrom, isImageState, stateInWords } from '../image/state.js';
import { grouped } from '../quantities.js';
import { OpenFile } from '../system/files.js';
import { isCount, isRecord } from '../system/summed-json.js';

export interface Verification {
  /** What the file is. */
  readonly kind: string;
  readonly verdict: 'good' | 'bad' | 'unknown';
  /** One sentence. */
  readonly summary: string;
  readonly facts: ReadonlyArray<readonly [name: string, value: string]>;
}

type Fields = Readonly<Record<string, unknown>>;
type Judged = Pick<Verification, 'verdict' | 'summary'>;

/** Results are far smaller, but for lists of findings. */
const BYTES_MAX = 64 * 2 ** 20;

const EXPECTED =
  'an image\'s state file, or what datto-verify, datto-backup or "datto-backup status" prints with --json';

const refuse = (path: string, found: string): never => {
  throw new RefusalError('VERIFICATION_UNKNOWN', `cannot use ${path}: ${found}, expected ${EXPECTED}`);
};

/** Of another series, the result says nothing of these snapshots. */
const ofSeries = (series: unknown, wanted: string, judged: Judged): Judged =>
  series === undefined || series === wanted
    ? judged
    : { verdict: 'unknown', summary: `This is about series ${series}, not ${wanted}.` };

const counts = (fields: Fields, names: Readonly<Record<string, string>>): Array<[string, string]> =>
  Object.entries(names).flatMap(([key, name]) => (isCount(fields[key]) ? [[name, grouped(fields[key])]] : []));

const texts = (fields: Fields, names: Readonly<Record<string, string>>): Array<[string, string]> =>
  Object.entries(names).flatMap(([key, name]) => {
    const value = fields[key];
    return typeof value === 'string' || typeof value === 'number' ? [[name, `${value}`]] : [];
  });

const stateResult = (text: string, path: string, wanted: string): Verification => {
  try {
    const state = imageStateFrom(text);
    const clean = state.state === 'CLEAN';
    const summary = clean
      ? `The image is snapshot ${state.sequence}, by its state file; blocks were not compared for this.`
      : `${stateInWords('The image', state)}.`;
    return {
      kind: 'state file of an image',
      ...ofSeries(state.series, wanted, { verdict: clean ? 'good' : 'bad', summary }),
      facts: [
        ['state', state.state],
        ['snapshot', `${state.sequence}`],
        ['since', state.time],
      ],
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuse(path, `it is a damaged state file (${error.message})`);
  }
};

const scrubResult = (fields: Fields, wanted: string): Verification => {
  const bad = Number(fields.rotten_blocks) + Number(fields.manifest_flaws);
  const summary =
    bad === 0
      ? 'Every block of the image is as its manifest has it.'
      : 'Blocks of the image, or of its manifest, have rotted.';
  return {
    kind: 'datto-verify scrub',
    ...ofSeries(fields.series, wanted, { verdict: bad === 0 ? 'good' : 'bad', summary }),
    facts: [
      ...texts(fields, { sequence: 'snapshot' }),
      ...counts(fields, { blocks: 'blocks read', rotten_blocks: 'rotten blocks', manifest_flaws: 'manifest flaws' }),
      ...texts(fields, { root: 'root' }),
    ],
  };
};

/** By counts of blocks that were compared, that differ, and that could not be copied. */
const judgeCounts = (fields: Fields): Judged => {
  if (Number(fields.differing_blocks) > 0) return { verdict: 'bad', summary: 'The image differs from its snapshot.' };
  if (Number(fields.failed_blocks ?? 0) > 0) return { verdict: 'bad', summary: 'Blocks could not be copied.' };
  if (Number(fields.compared_blocks) === 0) return { verdict: 'unknown', summary: 'No block was compared.' };
  return { verdict: 'good', summary: 'The blocks that were compared are equal to the snapshot.' };
};

const COMPARED = { compared_blocks: 'blocks compared', sampled_blocks: 'of them a sample', differing_blocks: 'differ' };

const compareResult = (fields: Fields): Verification => ({
  kind: 'datto-verify compare',
  ...judgeCounts(fields),
  facts: counts(fields, COMPARED),
});

const backupResult = (fields: Fields, wanted: string): Verification => ({
  kind: 'datto-backup',
  ...ofSeries(fields.series, wanted, judgeCounts(fields)),
  facts: [
    ...texts(fields, { image: 'image', sequence: 'snapshot', time: 'time' }),
    ...counts(fields, { ...COMPARED, failed_blocks: 'failed blocks' }),
  ],
});

const STATUS_TEXT = {
  good: 'The backup is good.',
  bad: 'The backup is not good.',
  unknown: 'It is not known to be good.',
};

/** Of all backups, the one of the series. */
const statusResult = (backups: readonly unknown[], wanted: string): Verification => {
  const kind = 'datto-backup status';
  for (const backup of backups) {
    if (!isRecord(backup) || !isRecord(backup.last_success)) continue;
    const { last_success: success, reasons } = backup;
    const verdict = (['good', 'bad', 'unknown'] as const).find((word) => word === backup.verdict);
    if (success.series !== wanted || verdict === undefined) continue;
    const why = (Array.isArray(reasons) ? reasons : []).map((reason): [string, string] => ['reason', `${reason}`]);
    return {
      ...{ kind, verdict, summary: STATUS_TEXT[verdict] },
      facts: [
        ...texts(backup, { name: 'backup' }),
        ...texts(success, { sequence: 'snapshot', verify: 'compared', verified: 'verified' }),
        ...counts(success, { compared_blocks: 'blocks compared' }),
        ...why,
      ],
    };
  }
  const summary = `No backup in this list is of series ${wanted}.`;
  return { kind, verdict: 'unknown', summary, facts: [['backups', grouped(backups.length)]] };
};

/**
 * Understands a result.
 *
 * @param path for errors
 * @param series of the snapshots, 32 hex digits
 * @throws RefusalError VERIFICATION_UNKNOWN
 */
export const verificationFrom = (text: string, path: string, series: string): Verification => {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return refuse(path, 'it is no JSON');
  }
  if (!isRecord(fields)) return refuse(path, 'it is no JSON object');
  if (isImageState(fields)) return stateResult(text, path, series);
  if (isCount(fields.rotten_blocks) && isCount(fields.manifest_flaws)) return scrubResult(fields, series);
  if (Array.isArray(fields.backups)) return statusResult(fields.backups, series);
  if (!isCount(fields.compared_blocks) || !isCount(fields.differing_blocks)) {
    return refuse(path, 'it has no result of a verification');
  }
  return isCount(fields.failed_blocks) ? backupResult(fields, series) : compareResult(fields);
};

/** Reads a result from a file. Errors as of verificationFrom(); SystemError. */
export const readVerification = (path: string, series: string): Verification => {
  const file = OpenFile.open(path, 'r', 'read');
  try {
    const { size } = file.requireContent();
    if (size > BYTES_MAX) return refuse(path, `it has ${size} bytes`);
    const bytes = Buffer.alloc(Number(size));
    file.readFull(bytes, 0);
    return verificationFrom(bytes.toString('utf8'), path, series);
  } finally {
    file.close();
  }
};
