/** The sub-commands of datto-inspect that print what is in a COW file. */

import { estimateUpdate } from '../../host/copy/update-estimate.js';
import { countRuns } from '../../host/cow/run-statistics.js';
import type { SidedRun } from '../../host/cow/runs.js';
import { RefusalError } from '../../host/errors.js';
import { makeBmap } from '../../host/inspect/bmap.js';
import type { CheckReport } from '../../host/inspect/check/check.js';
import { checkCow } from '../../host/inspect/check/check.js';
import { RULES } from '../../host/inspect/check/findings.js';
import { countSides, diffCows, relation } from '../../host/inspect/diff.js';
import { flagNames } from '../../host/inspect/flags.js';
import { isClean } from '../../host/inspect/geometry.js';
import type { CowInfo } from '../../host/inspect/info.js';
import { describeCow } from '../../host/inspect/info.js';
import { type InspectedCow, withFiles } from '../../host/inspect/inspected-cow.js';
import { SECTOR_BYTES } from '../../host/layout.js';
import { writeNewFile } from '../../host/system/safe-files.js';
import type { Streams } from '../terminal/terminal.js';
import { printJson } from '../terminal/terminal.js';
import type { CommonOptions } from './options.js';
import { geometryJson, listOptions, noteAssumption, originOf, syscalls, withCow } from './options.js';
import { checkText, diffText, infoText, statText } from './text.js';

/** Exit status of a check that found violations. */
const VIOLATIONS = 3;

const infoJson = (cow: InspectedCow, info: CowInfo): unknown => ({
  path: info.path,
  file_bytes: info.fileBytes,
  mode: cow.incremental ? 'incremental' : 'snapshot',
  clean: isClean(info.header),
  state: info.state,
  header: {
    flags: info.header.flags,
    flag_names: flagNames(info.header.flags),
    fpos: info.header.fpos,
    fsize: info.header.fsize,
    seqid: info.header.seqid,
    uuid: info.header.uuid.toString('hex'),
    version: info.header.version,
    nr_changed_blocks: info.header.nrChangedBlocks,
  },
  fields: info.fields,
  index: geometryJson(cow),
  update_img: info.updateImg,
});

export const runInfo = (path: string, options: CommonOptions, streams: Streams): void =>
  withCow(path, options, (cow) => {
    const info = describeCow(cow);
    if (options.json) printJson(infoJson(cow, info), streams);
    else streams.out(infoText(cow, info));
  });

const checkJson = (path: string, report: CheckReport): unknown => ({
  path,
  file_bytes: report.fileBytes,
  entries: report.nrEntries,
  index_checked: report.nrEntries !== undefined,
  total: report.total,
  counts: report.counts,
  violations: report.violations.map((violation) => ({ ...violation, doc: RULES[violation.rule] })),
  basis: report.answer?.basis,
  notes: report.notes,
});

export const runCheck = (path: string, options: CommonOptions & { limit: number }, streams: Streams): number => {
  const report = withFiles([path], (file) => checkCow(file, syscalls, originOf(options), options.limit));
  if (options.json) printJson(checkJson(path, report), streams);
  else streams.out(checkText(path, report));
  return report.total === 0 ? 0 : VIOLATIONS;
};

const writeBmap = (cow: InspectedCow, path: string, options: CommonOptions & { force?: boolean }): void => {
  const { exact, nrSectors } = cow.requireGeometry();
  if (!exact) {
    const found = "a block map needs the image's size";
    const message = `cannot make ${path}: ${found}, expected --image, --origin-size or --blocks`;
    throw new RefusalError('ORIGIN_SIZE_UNKNOWN', message);
  }
  const runs = cow.changedRuns(listOptions(options));
  const images = options.image === undefined ? [] : [options.image];
  const text = withFiles(images, (image) => makeBmap(runs, nrSectors * SECTOR_BYTES, image));
  writeNewFile(path, Buffer.from(text), options.force ?? false);
};

export const runBlocks = (
  path: string,
  options: CommonOptions & { bmap?: string; force?: boolean },
  streams: Streams,
): void =>
  withCow(path, options, (cow) => {
    if (options.bmap !== undefined) {
      writeBmap(cow, options.bmap, options);
      if (options.json) printJson({ bmap: options.bmap }, streams);
      return;
    }
    cow.requireList(listOptions(options));
    noteAssumption(cow, options, streams);
    for (const { start, count } of cow.changedRuns(listOptions(options))) {
      if (options.json) streams.out(`{"start":${start},"count":${count}}\n`);
      else streams.out(`${start}-${start + count - 1} ${count}\n`);
    }
  });

export const runDiff = (
  pathA: string,
  pathB: string,
  options: CommonOptions & { runs?: boolean },
  streams: Streams,
): void =>
  withCow(pathA, options, (a) =>
    withCow(pathB, options, (b) => {
      const runs: SidedRun[] = [];
      const counts = countSides(diffCows(a, b, listOptions(options)), (run) => {
        if (!options.runs) return;
        if (options.json) runs.push(run);
        else streams.out(`${run.side.padEnd(4)} ${run.start}-${run.start + run.count - 1} ${run.count}\n`);
      });
      const how = relation(a, b);
      if (options.json)
        printJson({ a: pathA, b: pathB, relation: how, counts, runs: options.runs ? runs : undefined }, streams);
      else streams.out(diffText(a, b, how, counts));
    }),
  );

export const runStat = (path: string, options: CommonOptions & { rate?: number }, streams: Streams): void =>
  withCow(path, options, (cow) => {
    const statistics = countRuns(cow.changedRuns(listOptions(options)));
    const estimate = estimateUpdate(statistics, options.rate);
    const percent = (statistics.blocks / cow.nrBlocks()) * 100;
    if (options.json) printJson({ path, ...statistics, percent, estimate, index: geometryJson(cow) }, streams);
    else streams.out(statText(cow, statistics, percent, estimate));
  });
