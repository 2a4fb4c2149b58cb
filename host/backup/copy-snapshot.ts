/** One snapshot into the image: all of it beside the image, which it then replaces, or what changed. */
import { existsSync } from 'node:fs';
import { paceOf } from '../copy/pace.js';
import type { DeviceStatus } from '../driver/status.js';
import { ENOSPC, RefusalError, SystemError } from '../errors.js';
import { buildManifest } from '../image/image-manifest.js';
import { imageFiles, readState, writeState } from '../image/state.js';
import { updateImage } from '../image/update-image.js';
import { BLOCK_BYTES } from '../layout.js';
import { secondsSince } from '../system/clock.js';
import { OpenFile } from '../system/files.js';
import { createOwn, NewFile, openOwn } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { FullCopy, Names } from './folder.js';
import { removeWithCompanions, swapIn } from './folder.js';
import { compareFull, copyFull } from './full-copy.js';
import type { Lists } from './links.js';
import { chain } from './links.js';
import type { BackupContext, BackupEvents, BackupRequest, CopyOutcome } from './request.js';
import { snapshotNode } from './tracking.js';

export interface CopyJob {
  readonly request: BackupRequest;
  readonly context: BackupContext;
  readonly events: BackupEvents;
  readonly names: Names;
  /** An active snapshot. */
  readonly device: DeviceStatus;
  readonly bytes: number;
  readonly lists: Lists;
  /** A full copy that was interrupted. */
  readonly copy: FullCopy | undefined;
  /** Records how far a full copy is, or that there is none. */
  readonly remember: (copy: FullCopy | undefined) => void;
}

const checkpointBytesOf = ({ checkpointBytes, noteBytes }: BackupRequest): number | undefined =>
  checkpointBytes ?? noteBytes;

interface Snapshot {
  readonly series: string;
  readonly sequence: bigint;
}

const snapshotOf = ({ device }: CopyJob): Snapshot => ({ series: device.uuid ?? '', sequence: device.seqId ?? 0n });

/** Whether the folder's filesystem clones files. */
const canClone = (names: Names, syscalls: Syscalls): boolean => {
  const made: NewFile[] = [];
  const make = (): NewFile => {
    const file = new NewFile(names.memory, true);
    made.push(file);
    return file;
  };
  try {
    const source = make();
    source.write(Buffer.alloc(BLOCK_BYTES), 0);
    syscalls.clone(make().file.fd, source.file.fd, names.folder);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.call === 'clone') return false;
    throw error;
  } finally {
    for (const file of made) file.discard();
  }
};

/** Copies into `fresh`, and returns the bytes written. On a full disk, removes what it wrote. */
const fillFresh = (job: CopyJob, source: OpenFile): number => {
  const { names, copy, bytes, context, request, events } = job;
  const { series, sequence } = snapshotOf(job);
  const goesOn = copy?.series === series && copy.sequence === `${sequence}` && existsSync(names.fresh);
  const checkpoint = (cursor: number): void => job.remember({ series, sequence: `${sequence}`, cursor });
  if (!goesOn) {
    removeWithCompanions(names.fresh);
    checkpoint(0);
  }
  const target = goesOn ? openOwn(names.fresh, 'r+') : createOwn(names.fresh);
  try {
    return copyFull(source, target, bytes, {
      syscalls: context.syscalls,
      cursor: goesOn ? Math.min(copy.cursor, Number(target.stat().size)) : 0,
      checkpointBytes: checkpointBytesOf(request),
      onCheckpoint: checkpoint,
      onProgress: (done) => events.onProgress?.(done, bytes),
      pace: paceOf(request.rate).pace,
    });
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOSPC) {
      removeWithCompanions(names.fresh);
      const message = `cannot copy all of the volume into ${names.folder}: no space is left; the image there is as it was`;
      throw new RefusalError('NO_SPACE', message);
    }
    throw error;
  } finally {
    target.close();
  }
};

/** The copy is right: it gets its state, and takes the image's place. */
const finishFresh = (job: CopyJob): string | undefined => {
  const { names, bytes, request } = job;
  const { series, sequence } = snapshotOf(job);
  const files = imageFiles(names.fresh, false, `${names.fresh}.datto-state`);
  const image = openOwn(names.fresh, 'r');
  let root: string | undefined;
  try {
    if (request.manifest === true) {
      job.events.onStep?.('creating the manifest');
      const identity = { series: Buffer.from(series, 'hex'), sequence };
      root = buildManifest(image, bytes, files.manifest, identity).toString('hex');
    }
    writeState(files.state, { state: 'CLEAN', series, sequence, bytes, mtime: image.stat().mtimeNs });
  } finally {
    image.close();
  }
  swapIn(names);
  job.remember(undefined);
  return root;
};

const copyAll = (job: CopyJob): CopyOutcome => {
  const { names, bytes, context, request, events, device } = job;
  const { series, sequence } = snapshotOf(job);
  const source = OpenFile.open(snapshotNode(device.minor), 'r');
  let [differingBlocks, comparedBlocks] = [0, 0];
  let copiedBytes: number;
  let copySeconds: number;
  try {
    events.onStep?.(`copying the volume to ${names.fresh}`);
    const began = performance.now();
    copiedBytes = fillFresh(job, source);
    copySeconds = secondsSince(began);
    if (request.verify !== 'nothing') {
      events.onStep?.('comparing the copy with the snapshot');
      const image = openOwn(names.fresh, 'r');
      const compared = (run: Parameters<NonNullable<BackupEvents['onDifference']>>[0]): void =>
        events.onDifference?.(run, true);
      try {
        const progress = (done: number): void => events.onProgress?.(done, bytes);
        differingBlocks = compareFull(
          source,
          image,
          bytes,
          context.syscalls,
          compared,
          progress,
          paceOf(request.rate).pace,
        );
        comparedBlocks = Math.ceil(bytes / BLOCK_BYTES);
      } finally {
        image.close();
      }
    }
  } finally {
    source.close();
  }
  const outcome = {
    kind: 'whole',
    series,
    sequence,
    copiedBytes,
    copySeconds,
    punchedBytes: 0,
    failedBlocks: 0,
    comparedBlocks,
    differingBlocks,
  } as const;
  if (differingBlocks > 0) {
    job.remember({ series, sequence: `${sequence}`, cursor: 0 });
    return outcome;
  }
  const root = finishFresh(job);
  const previous = existsSync(names.replaced) ? { previous: names.replaced } : {};
  return { ...outcome, ...previous, ...(root === undefined ? {} : { root }) };
};

/** Compares all of an updated image. If it differs, its state becomes DIFFERS. */
const verifyAll = (job: CopyJob): number => {
  const { names, bytes, context, request, events, device } = job;
  events.onStep?.('comparing the whole image with the snapshot');
  const [source, image] = [OpenFile.open(snapshotNode(device.minor), 'r'), openOwn(names.image, 'r')];
  try {
    const progress = (done: number): void => events.onProgress?.(done, bytes);
    const differing = compareFull(
      source,
      image,
      bytes,
      context.syscalls,
      (run) => events.onDifference?.(run, false),
      progress,
      paceOf(request.rate).pace,
    );
    const file = `${names.image}.datto-state`;
    const state = readState(file);
    if (differing > 0 && state) writeState(file, { ...state, state: 'DIFFERS' });
    return differing;
  } finally {
    source.close();
    image.close();
  }
};

/** Whether to keep the image as it is now; by default, where a clone makes that cheap. */
const keepsPrevious = ({ names, context, request, events }: CopyJob): boolean => {
  const { keepPrevious = 'clone' } = request;
  if (keepPrevious !== 'clone') return keepPrevious === 'undo';
  const can = canClone(names, context.syscalls);
  if (!can) {
    const what = `files in ${names.folder} cannot be cloned, so the previous image is not kept`;
    events.onNotice?.(`${what}; hint: --keep-previous undo keeps it, --keep-previous nothing silences this notice`);
  }
  return can;
};

const copyChanges = (job: CopyJob): CopyOutcome => {
  const { names, bytes, context, request, events, device, lists } = job;
  const { series, sequence } = snapshotOf(job);
  const stateFile = `${names.image}.datto-state`;
  const [cowFile, ...also] = chain(lists, readState(stateFile)?.sequence ?? 0n, sequence) ?? [];
  // The plan found them a moment ago.
  if (cowFile === undefined)
    throw new RefusalError(
      'WHOLE_COPY_NEEDED',
      `cannot bring ${names.image} up to date: the list of changes is missing or incomplete; the next run makes a full copy`,
    );
  const { verify, sample = 1000 } = request;
  const checkpointBytes = checkpointBytesOf(request);
  events.onStep?.(`copying the changed blocks to ${names.image}`);
  for (const list of [cowFile, ...also]) events.onDetail?.(`${list} lists changed blocks`);
  const result = updateImage(
    {
      snapshot: snapshotNode(device.minor),
      cowFile,
      also,
      image: names.image,
      stateFile,
      dryRun: false,
      keepPrevious: keepsPrevious(job),
      manifest: request.manifest === true,
      ...(request.rate === undefined ? {} : { rate: request.rate }),
      ...(verify === 'nothing' ? {} : { verifySample: sample }),
      ...(checkpointBytes === undefined ? {} : { checkpointBytes }),
    },
    context,
    {
      onProgress: (done, plan) => events.onProgress?.(done, plan.changedBytes),
      onFailure: (failure) => events.onFailure?.(failure),
      onNotice: (text) => events.onNotice?.(text),
      onDifference: (run, listed) => events.onDifference?.(run, listed),
    },
  );
  const { copiedBytes, copySeconds, punchedBytes, failedBlocks, verified, previous, root } = result;
  let comparedBlocks = verified ? verified.changedBlocks + verified.sampledBlocks : 0;
  let differingBlocks = verified?.differingBlocks ?? 0;
  if (verify === 'all' && failedBlocks === 0 && differingBlocks === 0) {
    differingBlocks = verifyAll(job);
    comparedBlocks = Math.ceil(bytes / BLOCK_BYTES);
  }
  const kept = previous && imageFiles(names.image, false, stateFile).previous(previous);
  return {
    kind: 'incremental',
    series,
    sequence,
    copiedBytes,
    copySeconds,
    punchedBytes,
    failedBlocks,
    comparedBlocks,
    differingBlocks,
    ...(kept === undefined ? {} : { previous: kept }),
    ...(root === undefined ? {} : { root }),
  };
};

/**
 * Copies a snapshot. A good copy is on disk as the image when this returns. A bad one has left the previous image where
 * it was, or in a state from which it can be restored (host/image/state.ts).
 *
 * @param full copy all of it; else the blocks in the lists
 */
export const copySnapshot = (job: CopyJob, full: boolean): CopyOutcome => (full ? copyAll(job) : copyChanges(job));
