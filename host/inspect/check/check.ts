/** Checks a COW file against every rule of its format. */
import type { CowHeader } from '../../cow/cow-file.js';
import { RefusalError } from '../../errors.js';
import { COW_HEADER_SIZE } from '../../layout.js';
import type { OpenFile } from '../../system/files.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { GeometryAnswer, OriginSize } from '../geometry.js';
import { InspectedCow, requireRegular } from '../inspected-cow.js';
import { checkHeader, checkNotes, checkRecordSize, checkReserved, reportMagic } from './check-header.js';
import { checkIndex } from './check-index.js';
import type { Rule, Violation } from './findings.js';
import { Findings } from './findings.js';

export interface CheckReport {
  readonly fileBytes: number;
  /** undefined if the file has none that can be read. */
  readonly header: CowHeader | undefined;
  readonly answer: GeometryAnswer | undefined;
  /** Entries of the index that are not zero; undefined if it was not checked. */
  readonly nrEntries: number | undefined;
  /** The first violations, by place; `total` counts all. */
  readonly violations: readonly Violation[];
  readonly total: number;
  readonly counts: Partial<Record<Rule, number>>;
  readonly notes: readonly string[];
}

/** The file as a COW file; undefined, and a violation, if it does not start like one. */
const openHeader = (
  file: OpenFile,
  syscalls: Syscalls,
  origin: OriginSize | undefined,
  findings: Findings,
): InspectedCow | undefined => {
  try {
    return InspectedCow.of(file, syscalls, origin);
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { size } = file.stat();
    if (error.code === 'BAD_MAGIC') reportMagic(file, findings);
    else if (error.code === 'HEADER_SHORT') {
      const expected = `at least ${COW_HEADER_SIZE}, a header`;
      findings.add('file-size', Number(size), () => ({ found: `${size} bytes`, expected }));
    } else throw error;
    return undefined;
  }
};

/**
 * Checks a file.
 *
 * @param origin the origin's size, if known: then entries behind its end are found too
 * @param limit how many violations to keep
 * @throws RefusalError COW_KIND, ORIGIN_SIZE_MISMATCH; SystemError if the file cannot be read
 */
export const checkCow = (
  file: OpenFile,
  syscalls: Syscalls,
  origin: OriginSize | undefined,
  limit: number,
): CheckReport => {
  requireRegular(file);
  const findings = new Findings(limit);
  const inspected = openHeader(file, syscalls, origin, findings);
  let nrEntries: number | undefined;
  // Behind a wrong magic there is no header to check.
  if (inspected) {
    const { header, fileBytes, answer, record } = inspected;
    checkReserved(file, record, findings);
    if (record) checkRecordSize(record, origin, findings);
    checkHeader(header, fileBytes, answer, answer.geometry ? inspected.nrBlocks() : 0, findings);
    if (answer.geometry && !record) {
      nrEntries = checkIndex(inspected.reader(), header, answer.geometry, fileBytes, findings);
    }
  }
  return {
    fileBytes: Number(file.stat().size),
    header: inspected?.header,
    answer: inspected?.answer,
    nrEntries,
    violations: findings.kept,
    total: findings.total,
    counts: findings.counts(),
    notes: inspected ? checkNotes(inspected) : [],
  };
};
