/** Updates an image of a snapshot to the next snapshot of its series. */

import { Checkpoints } from '../copy/checkpoints.js';
import { compareRuns, randomNumbers, sampleSize, sampleUnlisted } from '../copy/compare.js';
import type { CopyOptions, CopyResult } from '../copy/copy.js';
import { copyPieces } from '../copy/copy.js';
import type { DirectCopy } from '../copy/copy-direct.js';
import { closeDirect, copyPiecesDirect, openDirect } from '../copy/copy-direct.js';
import { estimateCopy } from '../copy/estimate-copy.js';
import { paceOf } from '../copy/pace.js';
import { ChangeList } from '../cow/change-list.js';
import type { BlockRun } from '../cow/runs.js';
import type { Driver } from '../driver/driver.js';
import { RefusalError, SystemError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { Manifest } from '../manifest/manifest.js';
import { secondsSince } from '../system/clock.js';
import { OpenFile } from '../system/files.js';
import { lookAtOwn } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { openChangeLists } from './change-lists.js';
import type { Decision } from './decision.js';
import { decide } from './decision.js';
import type { DeviceIdentity } from './device-identity.js';
import { identify } from './device-identity.js';
import { buildManifest, manifestForUpdate } from './image-manifest.js';
import { openImage, requireSole } from './open-image.js';
import type { KeepRequest } from './previous.js';
import { extendUndo, keepPrevious, removeLeftovers } from './previous.js';
import type { ImageFiles, ImageState, Previous } from './state.js';
import { imageFiles, prepareFolder, readState, writeState } from './state.js';
import {
  requireImageSize,
  requireOtherFile,
  requireSameDevice,
  requireUsable,
  snapshotMinor,
} from './update-checks.js';
import type { UpdateEvents, UpdatePlan, UpdateRequest, UpdateResult, Verification } from './update-request.js';

export type { UpdateEvents, UpdatePlan, UpdateRequest, UpdateResult, Verification } from './update-request.js';

/** Reads in flight: enough to keep a disk busy that completes 100,000 a second. */
const DEPTH = 128;

/** The inputs of an update, open and checked. */
interface Job {
  readonly request: UpdateRequest;
  readonly events: UpdateEvents;
  readonly syscalls: Syscalls;
  readonly snapshot: OpenFile;
  readonly image: OpenFile;
  readonly bytes: number;
  readonly changes: ChangeList;
  readonly plan: UpdatePlan;
  readonly decision: Decision;
  readonly files: ImageFiles;
  readonly seriesId: Buffer;
  /** The identity of an image's block device before this update. */
  readonly device?: DeviceIdentity;
}

/** Files opened in the order of docs/COMMANDS.md, F4.2 to F4.4, all closed together. */
class Opened {
  readonly #files: OpenFile[] = [];

  add(file: OpenFile): OpenFile {
    this.#files.push(file);
    return file;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

const mtimeOf = (image: OpenFile): bigint | undefined => {
  const stat = image.stat();
  return stat.isFile() ? stat.mtimeNs : undefined;
};

/** The identity of the image's device, which must be the known one; nothing for a regular file. */
const deviceFor = (
  image: OpenFile,
  bytes: number,
  known: ImageState | undefined,
  adopt: boolean,
  changes: ChangeList,
  syscalls: Syscalls,
): Pick<Job, 'device'> => {
  if (!image.stat().isBlockDevice()) return {};
  if (!known?.device || adopt) {
    const { changedBlocks } = changes;
    return { device: identify(image, bytes, changes.runs(), changedBlocks, syscalls) };
  }
  const written = known.state === 'UPDATING' ? changes.runs() : [];
  requireSameDevice(image, bytes, known, written, 'update', syscalls);
  return { device: known.device };
};

/** Opens and checks everything; nothing is written. */
const prepare = (
  request: UpdateRequest,
  { syscalls, driver }: { readonly syscalls: Syscalls; readonly driver: Driver },
  events: UpdateEvents,
  opened: Opened,
): Job => {
  const snapshot = opened.add(OpenFile.open(request.snapshot, 'r'));
  const cowFiles = [request.cowFile, ...(request.also ?? [])].map((path) => opened.add(OpenFile.open(path, 'r')));
  const image = opened.add(openImage(request.image));
  const info = driver.info(snapshotMinor(request.snapshot));
  const bytes = snapshot.blockDeviceBytes(syscalls);
  const cows = openChangeLists(cowFiles, snapshot, bytes, info, syscalls);
  requireUsable(request.snapshot, info);
  requireOtherFile(image, [snapshot, ...cowFiles], info.blockDevice);
  requireSole(image);
  requireImageSize(image, bytes, syscalls);
  if (!syscalls.lock(image.fd, request.image, 'exclusive')) {
    const message = `cannot update ${request.image}: another process is working on it`;
    throw new RefusalError('IMAGE_LOCKED', message);
  }

  const changes = new ChangeList(cows, request.cowFile, bytes);
  const files = imageFiles(request.image, image.stat().isBlockDevice(), request.stateFile);
  const series = info.uuid.toString('hex');
  const [from, to] = [info.seqid - BigInt(cows.length), info.seqid];
  const { changedBlocks, changedBytes, snapshotBlocks } = changes;
  const step = { image: request.image, series, from, to, changedBlocks, bytes, mtime: mtimeOf(image) };
  // When the manifest is opened, the update has begun: refuse an unsafe one now.
  lookAtOwn(files.manifest, 'r+');
  const known = readState(files.state);
  const decision = decide(known, step, request.adopt === true);
  const { action, sequence, cursor } = decision;
  const device = deviceFor(image, bytes, known, request.adopt === true, changes, syscalls);
  const plan = { snapshotBlocks, changedBlocks, changedBytes, action, series, from: sequence, to, cursor };
  const seriesId = info.uuid;
  return { request, events, syscalls, snapshot, image, bytes, changes, plan, decision, files, seriesId, ...device };
};

/** The kept previous image of an update that resumes. An undo log is extended if the list is another. */
const carryPrevious = (job: Job, keeping: Omit<KeepRequest, 'sequence'>): Previous | undefined => {
  const { previous, otherList } = job.decision;
  if (previous?.kind !== 'undo' || otherList !== true) return previous;
  try {
    return extendUndo({ ...keeping, sequence: previous.sequence });
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code === 'NO_SPACE') throw error;
    job.events.onNotice?.(`snapshot ${previous.sequence} cannot be restored any more: ${error.message}`);
    return undefined;
  }
};

/** The previous image that is kept from now on. */
const previousOf = (job: Job): Previous | undefined => {
  const { request, decision, plan, events, image, bytes, changes, files, syscalls } = job;
  const keep = request.keepPrevious === true;
  const keeping = { image, imageBytes: bytes, changes, files, keep, syscalls };
  if (decision.action === 'adopt' || decision.action === 'begin') {
    if (!keep && request.noSafetyClone === true) return undefined;
    return keepPrevious({ ...keeping, sequence: plan.from });
  }
  const previous = carryPrevious(job, keeping);
  if (keep && !previous) {
    events.onNotice?.(`${request.image} was partly overwritten before; its previous content cannot be kept any more`);
  }
  return previous && { ...previous, keep: previous.keep || keep };
};

const updatingState = (job: Job, cursor: number, previous?: Previous): Omit<ImageState, 'time'> => ({
  state: 'UPDATING',
  series: job.plan.series,
  sequence: job.plan.from,
  next: job.plan.to,
  cursor,
  changedBlocks: job.plan.changedBlocks,
  bytes: job.bytes,
  ...(job.device ? { device: job.device } : {}),
  ...(previous ? { previous } : {}),
});

/** Opens files past the page cache: for reading, with `direct` for writing too. Undefined if that is not possible. */
const directOf = ({ request, snapshot, image, syscalls, events }: Job): DirectCopy | undefined => {
  const writes = request.direct === true;
  const isOneByOne = request.writeThrough === true;
  // With one piece at a time, the kernel's read-ahead is faster.
  if (isOneByOne && !writes) return undefined;
  const direct = openDirect(snapshot, image, isOneByOne ? 1 : (request.depth ?? DEPTH), writes, syscalls);
  if (!('missing' in direct)) {
    if (writes && !direct.files.target) events.onNotice?.(`${image.path} cannot be written past the page cache`);
    return direct;
  }
  if (writes) events.onNotice?.(`${direct.missing}; copying through it`);
  return undefined;
};

/** Copies from the cursor on, with checkpoints. */
const copy = (
  job: Job,
  manifest: Manifest | undefined,
  previous: Previous | undefined,
): CopyResult & Pick<UpdateResult, 'direct' | 'cursor' | 'copySeconds'> => {
  const began = performance.now();
  const { request, events, syscalls, snapshot, image, bytes, changes, plan, decision, files } = job;
  let skipped = 0;
  for (const piece of decision.cursor > 0 ? changes.pieces() : []) {
    if (piece.offset + piece.bytes > decision.cursor) break;
    skipped += piece.bytes;
  }
  const checkpoints = new Checkpoints(request.checkpointBytes ?? request.cursorBytes);
  let cursor = decision.cursor;
  const options: CopyOptions = {
    syscalls,
    punchHoles: image.stat().isFile(),
    ...paceOf(request.rate),
    onFailure: (failure) => events.onFailure?.(failure),
    ...(manifest ? { onData: (data: Buffer, offset: number) => manifest.put(data, offset) } : {}),
    onProgress: (done, end, failed) => {
      if (request.writeThrough === true) image.sync();
      // The cursor stays before the first block that failed, so that the next run tries it again.
      if (failed === 0) cursor = Math.min(end, bytes);
      checkpoints.pass(done, () => {
        image.sync();
        manifest?.sync();
        writeState(files.state, updatingState(job, cursor, previous));
      });
      events.onProgress?.(skipped + done, plan);
    },
  };
  const pieces = changes.pieces(decision.cursor);
  const direct = directOf(job);
  let result: CopyResult;
  try {
    result = direct
      ? copyPiecesDirect(snapshot, image, pieces, direct, options)
      : copyPieces(snapshot, image, pieces, options);
  } finally {
    if (direct) closeDirect(direct);
  }
  image.sync();
  const copySeconds = secondsSince(began);
  return { ...result, direct: direct?.files.target !== undefined, cursor, copySeconds };
};

/** Compares the image, read from the disk, with the snapshot. */
const verify = (job: Job, sample: number): { verified: Verification; unlisted: number; firstListed?: number } => {
  const { request, syscalls, snapshot, image, bytes, changes, plan, events } = job;
  const { pace } = paceOf(request.rate);
  syscalls.adviseDontNeed(image.fd);
  let firstListed: number | undefined;
  const differs = (run: BlockRun): void => {
    firstListed ??= run.start * BLOCK_BYTES;
    events.onDifference?.(run, true);
  };
  const listed = compareRuns(snapshot, image, changes.runs(), bytes, differs, undefined, pace);
  const random = randomNumbers(Date.now());
  const { changedBlocks, snapshotBlocks } = plan;
  const sampledBlocks = sampleSize(changedBlocks, snapshotBlocks, sample);
  const chosen = sampleUnlisted(changes.runs(), changedBlocks, snapshotBlocks, sampledBlocks, random);
  const strays = (run: BlockRun): void => events.onDifference?.(run, false);
  const unlisted = compareRuns(snapshot, image, chosen, bytes, strays, undefined, pace);
  const verified = { changedBlocks, sampledBlocks, differingBlocks: listed + unlisted };
  return { verified, unlisted, ...(firstListed === undefined ? {} : { firstListed }) };
};

/** Completes the manifest, or makes one. Returns the root as hex digits. */
const finishManifest = (job: Job, manifest: Manifest | undefined): string | undefined => {
  const { request, image, bytes, changes, files, seriesId, plan } = job;
  const identity = { series: seriesId, sequence: plan.to };
  if (manifest) return manifest.finish(changes.runs(), identity).toString('hex');
  if (request.manifest !== true) return undefined;
  return buildManifest(image, bytes, files.manifest, identity).toString('hex');
};

const identityOf = ({ image, bytes, changes, plan, syscalls }: Job): DeviceIdentity =>
  identify(image, bytes, changes.runs(), plan.changedBlocks, syscalls);

const cleanState = (job: Job, state: 'CLEAN' | 'DIFFERS', previous?: Previous): Omit<ImageState, 'time'> => {
  const mtime = mtimeOf(job.image);
  return {
    state,
    series: job.plan.series,
    sequence: job.plan.to,
    bytes: job.bytes,
    ...(mtime === undefined ? { device: identityOf(job) } : { mtime }),
    ...(previous ? { previous } : {}),
  };
};

const run = (job: Job): UpdateResult => {
  const { request, events, decision, plan, files } = job;
  prepareFolder(files);
  const previous = previousOf(job);
  writeState(files.state, updatingState(job, decision.cursor, previous));
  const notice = (text: string): void => events.onNotice?.(text);
  const manifest = manifestForUpdate(files.manifest, job.bytes, job.seriesId, [plan.from, plan.to], notice);
  try {
    manifest?.begin({ series: job.seriesId, sequence: plan.from });
    const { cursor, ...copied } = copy(job, manifest, previous);
    const outcome = { ...plan, ...copied };
    if (copied.failedBlocks > 0) {
      writeState(files.state, updatingState(job, cursor, previous));
      return { ...outcome, ...(previous ? { previous } : {}) };
    }
    const check = request.verifySample === undefined ? undefined : verify(job, request.verifySample);
    const verified = check ? { verified: check.verified } : {};
    if (check?.firstListed !== undefined) {
      writeState(files.state, updatingState(job, check.firstListed, previous));
      return { ...outcome, ...verified, ...(previous ? { previous } : {}) };
    }
    const root = finishManifest(job, manifest);
    const differs = (check?.unlisted ?? 0) > 0;
    // A safety net ends with its update, unless the image differs.
    const kept = previous && (previous.keep || differs) ? { ...previous, keep: true } : undefined;
    writeState(files.state, cleanState(job, differs ? 'DIFFERS' : 'CLEAN', kept));
    removeLeftovers(files, kept);
    return {
      ...outcome,
      ...verified,
      ...(kept ? { previous: kept } : {}),
      ...(root === undefined ? {} : { root }),
    };
  } finally {
    manifest?.close();
  }
};

const dryRun = (job: Job): UpdateResult => {
  const { request, events, syscalls, snapshot, changes, plan } = job;
  const direct = request.direct === true;
  const nothing = { ...plan, copiedBytes: 0, copySeconds: 0, punchedBytes: 0, failedBlocks: 0, direct };
  try {
    const estimate = estimateCopy(snapshot, () => changes.pieces(plan.cursor), request.rate, syscalls);
    return { ...nothing, estimate };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    events.onNotice?.(`no estimate: ${error.message}`);
    return nothing;
  }
};

/**
 * Copies the blocks that the COW file lists from the snapshot to the image. All checks come before the first write, in
 * the order of docs/COMMANDS.md, F.4; the state file is UPDATING before the first byte changes. The image is on disk when
 * this returns.
 *
 * @throws RefusalError with a code of the checks; SystemError if a file cannot be opened, read or synced, or a request to
 * the driver fails. The state file then has the state of the image.
 */
export const updateImage = (
  request: UpdateRequest,
  context: { readonly syscalls: Syscalls; readonly driver: Driver },
  events: UpdateEvents = {},
): UpdateResult => {
  const opened = new Opened();
  try {
    const job = prepare(request, context, events, opened);
    events.onPlan?.(job.plan);
    if (request.dryRun) return dryRun(job);
    return run(job);
  } finally {
    opened.close();
  }
};
