/** datto-inspect report. */
import { readFileSync } from 'node:fs';
import { builtFile } from '../../../host/built-file.js';
import { withErrno } from '../../../host/errors.js';
import { withFiles } from '../../../host/inspect/inspected-cow.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { humanBytes } from '../../../host/quantities.js';
import type { Report } from '../../../host/report/report.js';
import { makeReport } from '../../../host/report/report.js';
import { openSeries } from '../../../host/report/series.js';
import type { Verification } from '../../../host/report/verification.js';
import { readVerification } from '../../../host/report/verification.js';
import { writeNewFile } from '../../../host/system/safe-files.js';
import { oneLine } from '../../terminal/printable.js';
import type { Streams } from '../../terminal/terminal.js';
import { printJson } from '../../terminal/terminal.js';
import type { CommonOptions } from '../options.js';
import { listOptions, originOf, syscalls } from '../options.js';
import { ownerText } from '../owner-text.js';
import type { PageParts } from './page.js';
import { makePage } from './page.js';

export interface ReportOptions extends CommonOptions {
  readonly output: string;
  readonly verification?: string;
  readonly force?: boolean;
}

const builtText = (name: string): string => {
  const file = builtFile(name);
  return withErrno('read', file.pathname, () => readFileSync(file, 'utf8'));
};

const partsOfPage = (): PageParts => ({ script: builtText('report.js'), style: builtText('report.css') });

const reportJson = (report: Report, { output }: ReportOptions, result: Verification | undefined): unknown => {
  const { series, points, nrBlocks, changed, owners, cowBlocks } = report;
  return {
    file: output,
    series,
    blocks: nrBlocks,
    changed_blocks: changed.blocks,
    cow_blocks: cowBlocks,
    points: points.map((point) => ({
      path: point.path,
      sequence: point.sequence,
      changed_blocks: point.changedBlocks,
    })),
    files: 'files' in owners ? owners.files.files.length : undefined,
    without_files: 'why' in owners ? owners.why : undefined,
    verification: result && { kind: result.kind, verdict: result.verdict },
  };
};

/** Makes the page, and prints one line about it. */
export const runReport = (paths: readonly string[], options: ReportOptions, streams: Streams): void => {
  const { output, image, verification, allowUnclean = false, force = false, json = false, quiet = false } = options;
  const images = image === undefined ? [] : [image];
  withFiles([...paths, ...images], (...files) => {
    const cows = openSeries(files.slice(0, paths.length), syscalls, originOf(options));
    const report = makeReport(cows, files[paths.length], listOptions(options), ownerText);
    const result = verification === undefined ? undefined : readVerification(verification, report.series);
    const page = makePage({ report, verification: result, allowUnclean, made: new Date() }, partsOfPage());
    writeNewFile(output, Buffer.from(page), force);
    if (json) {
      printJson(reportJson(report, options, result), streams);
      return;
    }
    const { changed, owners } = report;
    if ('why' in owners && image !== undefined && !quiet)
      streams.err(`datto-inspect: note: the page has no names of files: ${oneLine(owners.why)}\n`);
    const bytes = humanBytes(BigInt(changed.blocks * BLOCK_BYTES));
    if (!quiet) streams.out(`${oneLine(output)}: ${changed.blocks} blocks changed, ${bytes}\n`);
  });
};
