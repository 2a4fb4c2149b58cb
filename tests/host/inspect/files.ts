/** What the tests of the inspection share: a folder, files opened and closed, and codes of refusals. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RefusalCode } from '../../../host/errors.js';
import { RefusalError } from '../../../host/errors.js';
import type { CheckReport } from '../../../host/inspect/check/check.js';
import { checkCow } from '../../../host/inspect/check/check.js';
import type { OriginSize } from '../../../host/inspect/geometry.js';
import { coreFor } from '../../../host/inspect/geometry.js';
import { InspectedCow, withFiles } from '../../../host/inspect/inspected-cow.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';

export const syscalls = nativeSyscalls();

/** A folder that is removed at the end; answers paths in it. */
export const temporaryFolder = (): ((name: string) => string) => {
  const folder = mkdtempSync(join(tmpdir(), 'datto-inspect-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
};

export const sectors = (count: number): OriginSize => ({ sectors: count, source: 'the test' });

export const check = (path: string, origin?: OriginSize, limit = 100): CheckReport =>
  withFiles([path], (file) => checkCow(file, syscalls, origin, limit));

export const inspect = <T>(path: string, run: (cow: InspectedCow) => T, origin?: OriginSize): T =>
  withFiles([path], (file) => run(InspectedCow.of(file, syscalls, origin)));

/** The header block of a core with a checkpoint, as the module writes it. */
export const recordBlock = (nrSectors: number, isIncremental: boolean, fsize = 2 ** 30): Buffer => {
  const core = coreFor(nrSectors, isIncremental);
  core.buffer().fill(7, 0, 16); // the id
  core.call('header_create', fsize, 1);
  if (isIncremental) core.call('mark', 8, 80);
  core.call('record_begin');
  core.call('record_extent', 0, 8000, 1032);
  core.call('record_survey', 0);
  core.call('record_plan');
  while (core.call('record_next') !== 0n) core.call('record_export');
  core.call('record_encode');
  return Buffer.from(core.buffer().subarray(0, 4096));
};

/** Copies a closed incremental file to `to`, and has its header name the next file, as the module closes it. Returns `to`. */
export const closedWithNext = (from: string, to: string, nrSectors: number, next: string): string => {
  const bytes = readFileSync(from);
  const core = coreFor(nrSectors, true);
  core.buffer().set(bytes.subarray(0, 4096));
  core.call('header_check', 1);
  core.buffer().fill(0, 0, 512).set(Buffer.from(next));
  core.call('header_close', 1n);
  bytes.set(core.buffer().subarray(0, 4096));
  writeFileSync(to, bytes);
  return to;
};

/** Code of the refusal that `run` ends with; undefined if it ends well. */
export const refusal = (run: () => unknown): RefusalCode | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof RefusalError) return error.code;
    throw error;
  }
};
