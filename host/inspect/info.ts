/** What a COW file is, and what it may be used for. */
import type { CowHeader } from '../cow/cow-file.js';
import type { RefusalCode } from '../errors.js';
import { RefusalError } from '../errors.js';
import { COW_MAGIC, COW_VERSION_CHANGED_BLOCKS, HEADER_FIELDS } from '../layout.js';
import { flagNames } from './flags.js';
import { assumption, isClean } from './geometry.js';
import type { InspectedCow } from './inspected-cow.js';

export interface FieldInfo {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly value: string;
  readonly meaning: string;
}

/** Whether update-img may use the file as its list of changes. */
export interface Usability {
  readonly usable: boolean;
  /** Of the refusal, if there is one. */
  readonly code: RefusalCode | undefined;
  readonly why: string;
}

export interface CowInfo {
  readonly path: string;
  readonly fileBytes: number;
  readonly header: CowHeader;
  readonly fields: readonly FieldInfo[];
  readonly state: string;
  readonly updateImg: Usability;
  /** The source of the size of the index. */
  readonly basis: string;
  readonly assumed: string | undefined;
}

const meanings = (header: CowHeader): Readonly<Record<string, readonly [value: string, meaning: string]>> => {
  const counted = header.version >= COW_VERSION_CHANGED_BLOCKS;
  const old = isClean(header) ? '' : ' (when the header was last written: the file was not closed since)';
  return {
    magic: [`${COW_MAGIC}`, 'a COW file'],
    flags: [`0x${header.flags.toString(16)}`, flagNames(header.flags).join(', ') || 'none'],
    fpos: [`${header.fpos}`, `the next block would be stored at block ${header.fpos} of the file${old}`],
    fsize: [`${header.fsize}`, `bytes up to which the file may be filled${old}`],
    seqid: [`${header.seqid}`, `number of this snapshot in its series`],
    uuid: [header.uuid.toString('hex'), 'id of the series'],
    version: [`${header.version}`, counted ? 'changed blocks are counted' : 'changed blocks are not counted'],
    nr_changed_blocks: [
      `${header.nrChangedBlocks}`,
      counted ? `blocks that changed${old}` : 'not kept by this version',
    ],
  };
};

const fieldsOf = (header: CowHeader): FieldInfo[] => {
  const known = meanings(header);
  return HEADER_FIELDS.map(({ name, offset, bytes }) => {
    const [value, meaning] = known[name] ?? ['', ''];
    return { name, offset, bytes, value, meaning };
  });
};

/** The state in words. A live incremental still has the header of its snapshot, but its file ends with the index. */
const stateOf = ({ header, incremental, fileBytes, answer, record, next }: InspectedCow): string => {
  if (record) {
    const mode = record.incremental ? 'incremental' : 'snapshot';
    const kind = record.regionBlocks === undefined ? 'checkpoint' : 'live checkpoint';
    return `${kind} of a tracked volume, ${mode}: to be used by reload only`;
  }
  if (incremental) {
    const went = next === undefined ? '' : `; tracking went on with ${next}`;
    return isClean(header)
      ? `incremental, closed cleanly: a complete list of the blocks that changed since the snapshot${went}`
      : `incremental, in use or not closed cleanly: changes are missing from the file${went}`;
  }
  if (isClean(header)) return 'snapshot, closed cleanly: holds the old content of the blocks that changed since';
  return fileBytes === answer.geometry?.dataOffset
    ? 'incremental, in use or not closed cleanly: the header is still that of the previous snapshot'
    : 'snapshot, in use or not closed cleanly: blocks that are only in memory are missing from the file';
};

const usabilityOf = (inspected: InspectedCow): Usability => {
  const { header, answer } = inspected;
  try {
    // The core decides what may be used; without a geometry only the file's length stays unchecked.
    inspected.requireChangeList();
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    return { usable: false, code: error.code, why: error.message };
  }
  const series = `snapshot ${header.seqid + 1n} of series ${header.uuid.toString('hex')}`;
  const unless = answer.geometry ? '' : ', if the file is long enough for its origin';
  const why = `copies to ${series} into an image of snapshot ${header.seqid}${unless}`;
  return { usable: true, code: undefined, why };
};

/** Describes a file. */
export const describeCow = (inspected: InspectedCow): CowInfo => ({
  path: inspected.path,
  fileBytes: inspected.fileBytes,
  header: inspected.header,
  fields: fieldsOf(inspected.header),
  state: stateOf(inspected),
  updateImg: usabilityOf(inspected),
  basis: inspected.answer.basis,
  assumed: assumption(inspected.answer),
});
