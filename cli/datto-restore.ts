/**
 * datto-restore: lists restore points, mounts one, copies one or a file of it, rebuilds a disk (docs/RESTORE.md).
 *
 * Exit status: 0 all is done; 3 the point is damaged, or what was written reads differently; 16 (EBUSY) the device is in
 * use, or another process is working on the image; 22 (EINVAL) for a wrong command line, or what cannot be restored from or
 * onto; else the errno of a file that could not be opened, read or written.
 */

import { Command, CommanderError } from 'commander';
import type { RefusalCode } from '../host/errors.js';
import { EBUSY, EINVAL, errnoOf, RefusalError } from '../host/errors.js';
import { humanBytes } from '../host/quantities.js';
import type { CopyPointEvents, CopyPointResult } from '../host/restore/copy-point.js';
import { copyPoint } from '../host/restore/copy-point.js';
import { restoreDisk } from '../host/restore/disk.js';
import type { PlannedPartition } from '../host/restore/disk-plan.js';
import { restoreFile } from '../host/restore/file.js';
import { mountPoint } from '../host/restore/mount.js';
import type { OpenPoint, RestorePoint, Source } from '../host/restore/point.js';
import { findPoint, requirePoints } from '../host/restore/point.js';
import { withSource } from '../host/restore/source.js';
import { nativeSyscalls } from '../host/system/syscalls.js';
import type { PointDamage } from '../host/targets/target.js';
import { diskTable } from './restore/disk-table.js';
import { pointsJson, pointsTable } from './restore/points-table.js';
import { oneLine, printable } from './terminal/printable.js';
import { addProgress, Progress, withProgressValue } from './terminal/progress.js';
import type { Streams } from './terminal/terminal.js';
import { printJson, reportFailure, usageLine } from './terminal/terminal.js';
import type { VerbosityOptions } from './terminal/verbosity.js';
import { addVerbosity, voiceOf } from './terminal/verbosity.js';
import { PACKAGE_VERSION } from './terminal/version.js';

const TOOL = 'datto-restore';
const DAMAGED = 3;
const IN_USE: ReadonlySet<RefusalCode> = new Set(['IMAGE_LOCKED', 'IMAGE_BUSY']);

interface Options extends VerbosityOptions {
  readonly json?: boolean;
  readonly force?: boolean;
}

const note = (text: string): string => `${TOOL}: ${oneLine(text)}\n`;

interface Chosen {
  readonly source: Source;
  readonly point: RestorePoint;
}

/** Runs with a source and the point that was named. */
const withChosen = <T>(target: string, name: string, streams: Streams, run: (chosen: Chosen) => T): T =>
  withSource(target, nativeSyscalls(), (source) => {
    const notices: string[] = [];
    const points = requirePoints(source, (text) => notices.push(text));
    const point = findPoint(points, target, name);
    for (const text of notices) streams.err(note(text));
    if (point.fault !== undefined) streams.err(note(`restore point ${point.name} may be damaged: ${point.fault}`));
    return run({ source, point });
  });

/** Opens the point that was named, and returns its name. */
const withOpen = (target: string, name: string, streams: Streams, run: (opened: OpenPoint) => void): string =>
  withChosen(target, name, streams, ({ source, point }) => {
    const opened = source.open(point);
    try {
      run(opened);
    } finally {
      opened.close();
    }
    return point.name;
  });

const list = (target: string, { json }: Options, streams: Streams): number => {
  const notices: string[] = [];
  const points = withSource(target, nativeSyscalls(), (source) => requirePoints(source, (text) => notices.push(text)));
  if (json) printJson({ target, points: pointsJson(points), notices }, streams);
  else {
    streams.out(pointsTable(points));
    for (const text of notices) streams.err(note(text));
  }
  return 0;
};

const mount = (target: string, name: string, folder: string, options: Options, streams: Streams): number => {
  const { say } = voiceOf(TOOL, options, streams);
  const point = withOpen(target, name, streams, (opened) => mountPoint(opened, folder, nativeSyscalls()));
  if (options.json) printJson({ point, mounted_on: folder }, streams);
  else say(`restore point ${point} is mounted on ${printable(folder)}, until: umount ${printable(folder)}\n`);
  return 0;
};

const file = (words: readonly string[], options: Options, streams: Streams): number => {
  const [target = '', name = '', path = '', destination = ''] = words;
  const { say } = voiceOf(TOOL, options, streams);
  const request = { path, destination, force: options.force === true };
  const point = withOpen(target, name, streams, (opened) => restoreFile(opened, request, nativeSyscalls()));
  if (options.json) printJson({ point, path, destination }, streams);
  else say(`${printable(destination)} is ${printable(path)} of restore point ${point}\n`);
  return 0;
};

const blocksOf = ({ start, count }: PointDamage): string =>
  count === 1 ? `block ${start}` : `blocks ${start} to ${start + count - 1}`;

/** What a copy proved, in words. */
const verdict = (damaged: number | undefined): string => {
  if (damaged === undefined) return 'the point has no sums to compare with';
  return damaged === 0 ? 'all as it was backed up' : `${damaged} blocks of the point are damaged`;
};

/** What a copy comes upon, printed and collected. */
interface Watched {
  readonly events: CopyPointEvents;
  readonly notices: readonly string[];
  readonly damage: readonly PointDamage[];
  readonly differences: readonly PointDamage[];
  /** The line of progress ends. */
  readonly end: () => void;
}

const watch = (options: Options, streams: Streams): Watched => {
  const progress = new Progress(streams, voiceOf(TOOL, options, streams).progress);
  const [notices, damage, differences]: [string[], PointDamage[], PointDamage[]] = [[], [], []];
  const print = (text: string): void => {
    progress.clear();
    if (!options.json) streams.out(`${text}\n`);
  };
  const events: CopyPointEvents = {
    onNotice: (text) => {
      progress.clear();
      notices.push(text);
      streams.err(note(text));
    },
    onStep: (text) => progress.step(text),
    onProgress: (done, total) => progress.update(done, total),
    onDamage: (run) => {
      damage.push(run);
      print(`${blocksOf(run)}: damaged in the restore point`);
    },
    onDifference: (run) => {
      differences.push(run);
      print(`${blocksOf(run)}: not what was written`);
    },
  };
  return { events, notices, damage, differences, end: () => progress.clear() };
};

/** Prints the result of a copy. Returns the exit status. */
const printCopy = (
  { bytes, damagedBlocks, differingBlocks }: CopyPointResult,
  { damage, differences, notices }: Watched,
  place: Readonly<Record<string, unknown>> & { readonly point: string; readonly destination: string },
  options: Options,
  streams: Streams,
): number => {
  const { say } = voiceOf(TOOL, options, streams);
  const shown = printable(place.destination);
  if (options.json) {
    const counts = { damaged_blocks: damagedBlocks, differing_blocks: differingBlocks };
    printJson({ ...place, bytes, ...counts, damage, differences, notices }, streams);
  } else if (differingBlocks > 0)
    streams.out(`not restored: ${differingBlocks} blocks of ${shown} are not what was written\n`);
  else say(`${shown}: ${humanBytes(BigInt(bytes))} of ${place.point}, read back; ${verdict(damagedBlocks)}\n`);
  return (damagedBlocks ?? 0) + differingBlocks === 0 ? 0 : DAMAGED;
};

const copyChosen = ({ source, point }: Chosen, destination: string, options: Options, streams: Streams): number => {
  const watched = watch(options, streams);
  const request = { source, point, destination, force: options.force === true };
  const result = copyPoint(request, nativeSyscalls(), watched.events);
  watched.end();
  return printCopy(result, watched, { point: point.name, destination }, options, streams);
};

interface DiskOptions extends Options {
  readonly dryRun?: boolean;
}

const diskChosen = ({ source, point }: Chosen, disk: string, options: DiskOptions, streams: Streams): number => {
  const watched = watch(options, streams);
  const { say } = voiceOf(TOOL, options, streams);
  const dryRun = options.dryRun === true;
  const onPlan = (partitions: readonly PlannedPartition[]): void => {
    watched.end();
    if (options.json) return;
    if (dryRun) streams.out(diskTable(partitions));
    else say(diskTable(partitions));
  };
  const request = { source, point, disk, force: options.force === true, dryRun };
  const { partitions, ...result } = restoreDisk(request, nativeSyscalls(), { ...watched.events, onPlan });
  watched.end();
  const place = { point: point.name, destination: disk };
  if (!dryRun) return printCopy(result, watched, { ...place, partitions }, options, streams);
  if (options.json) printJson({ ...place, dry_run: true, partitions, notices: watched.notices }, streams);
  return 0;
};

const disk = (words: readonly string[], options: DiskOptions, streams: Streams): number => {
  const [target = '', name = '', destination = ''] = words;
  return withChosen(target, name, streams, (chosen) => diskChosen(chosen, destination, options, streams));
};

const copy = (words: readonly string[], options: Options, streams: Streams): number => {
  const [target = '', name = '', destination = ''] = words;
  return withChosen(target, name, streams, (chosen) => copyChosen(chosen, destination, options, streams));
};

const addCommon = (command: Command): Command =>
  addVerbosity(command)
    .option('--json', 'print one JSON object on standard output')
    .helpOption('-h, --help', 'display help');

const addTarget = (command: Command): Command =>
  addCommon(command).argument('<target>', 'folder of datto-backup, image file, or address such as ssh:HOST:/FOLDER');

const addPoint = (command: Command): Command =>
  addTarget(command).argument('<point>', 'restore point: its name, the beginning of it, or latest');

/**
 * The command line: sub-commands, arguments and options.
 *
 * @param finish takes the exit status of a run that ended
 */
export const makeProgram = (streams: Streams, finish: (status: number) => void = () => undefined): Command => {
  const program = new Command(TOOL)
    .description('List, mount and copy restore points of a volume, and rebuild its disk.')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
  addTarget(program.command('list'))
    .description('list restore points, the oldest first')
    .action((target: string, options: Options) => finish(list(target, options, streams)));
  addPoint(program.command('mount'))
    .description('mount the filesystem of a restore point, read-only')
    .argument('<folder>', 'where to mount it, an empty folder')
    .action((target: string, point: string, folder: string, options: Options) =>
      finish(mount(target, point, folder, options, streams)),
    );
  addPoint(program.command('file'))
    .description('copy a file or a folder out of a restore point')
    .argument('<path>', 'file or folder, an absolute path in the volume')
    .argument('<destination>', 'name of the copy')
    .option('--force', 'replace a regular file')
    .action((target: string, point: string, path: string, destination: string, options: Options) =>
      finish(file([target, point, path, destination], options, streams)),
    );
  addProgress(addPoint(program.command('copy')))
    .description('copy a restore point, the whole volume, onto a block device or into a file')
    .argument('<destination>', 'block device that is not in use, or new file')
    .option('--force', 'replace a regular file, or overwrite a disk that has partitions')
    .action((target: string, point: string, destination: string, options: Options) =>
      finish(copy([target, point, destination], options, streams)),
    );
  addProgress(addPoint(program.command('disk')))
    .description('rebuild a whole disk: its partitions, what starts the machine, and the volume from a restore point')
    .argument('<disk>', 'block device that is not in use, a whole disk')
    .option('--force', 'overwrite a disk that has partitions')
    .option('--dry-run', 'show what the disk would get, and change nothing')
    .action((target: string, point: string, destination: string, options: DiskOptions) =>
      finish(disk([target, point, destination], options, streams)),
    );
  return program;
};

const exitStatus = (error: unknown): number => {
  const code = error instanceof RefusalError ? error.code : undefined;
  if (code === 'IMAGE_DIFFERS') return DAMAGED;
  return code !== undefined && IN_USE.has(code) ? EBUSY : errnoOf(error) || EINVAL;
};

/**
 * Runs datto-restore.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dattoRestore = (argv: readonly string[], streams: Streams): number => {
  let status = 0;
  const program = makeProgram(streams, (exit) => {
    status = exit;
  });
  try {
    if (argv.length === 0) throw new CommanderError(EINVAL, 'usage', 'no sub-command');
    program.parse(withProgressValue(argv), { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      streams.err(usageLine(TOOL, error));
      return EINVAL;
    }
    reportFailure(TOOL, error, argv.includes('--json'), streams);
    return exitStatus(error);
  }
};
