/** One run of a backup: from wherever the last one ended, to an image of the volume as it is now. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DeviceStatus } from '../driver/status.js';
import { describeState } from '../driver/status.js';
import { ENOSPC, errnoOf, RefusalError, SystemError } from '../errors.js';
import { rollbackImage } from '../image/rollback.js';
import type { ImageState } from '../image/state.js';
import { readState } from '../image/state.js';
import { BLOCK_BYTES } from '../layout.js';
import { lookAtOwn, removeFile } from '../system/safe-files.js';
import { requireSpace } from './checks.js';
import type { CopyJob } from './copy-snapshot.js';
import { copySnapshot } from './copy-snapshot.js';
import { closedCowFiles, cowParent, cowPath } from './cow-files.js';
import type { Memory, Names } from './folder.js';
import { removeWithCompanions, swapIn, writeMemory } from './folder.js';
import { aroundSnapshot, hooksOf } from './hooks.js';
import type { Lists } from './links.js';
import { afterRollback, listsOf, reasonForFull } from './links.js';
import { keepReloadScript } from './reload-script.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, CopyOutcome, RunResult } from './request.js';
import { isGood } from './request.js';
import { isLost, isSnapshot, requireHealthy, Tracking } from './tracking.js';
import type { Volume } from './volume.js';

const RESTART = '--restart destroys it and starts over with a full copy; the image stays until that copy is complete';

/** What a run works on. */
export interface Place {
  readonly volume: Volume;
  readonly mountPoint: string;
  readonly names: Names;
  readonly memory: Memory;
}

/** A run of the backup, once its place is checked. */
export class Run {
  readonly #request: BackupRequest;
  readonly #context: BackupContext;
  readonly #events: BackupEvents;
  readonly #volume: Volume;
  readonly #mountPoint: string;
  readonly #names: Names;
  readonly #tracking: Tracking;
  #memory: Memory;
  /** Why there is no device, if that is known. */
  #lost: string | undefined;
  /** False once restoring the previous image has failed. */
  #wayBack = true;
  /** The COW file that the switch to a snapshot closed: another program may have named it. */
  #justClosed: string | undefined;
  /** It is no dry run. */
  #mayChange = false;
  /** Hooks that failed after the snapshot, in words. */
  readonly #failedHooks: string[] = [];

  constructor(request: BackupRequest, context: BackupContext, events: BackupEvents, place: Place) {
    [this.#request, this.#context, this.#events] = [request, context, events];
    [this.#volume, this.#mountPoint, this.#names] = [place.volume, place.mountPoint, place.names];
    this.#memory = place.memory;
    this.#tracking = new Tracking(context.driver, place.volume);
  }

  /** What would be done; nothing is changed. */
  plan(): BackupPlan {
    const device = this.#device();
    if (device && this.#request.restart !== true && !isLost(device)) requireHealthy(device, RESTART);
    const usable = device && (device.error ?? 0) === 0 ? device : undefined;
    if (device && !usable) this.#lost = describeState(device.state, device.error);
    const plan = this.#planFor(usable, this.#lists(usable), afterRollback(this.#imageState()));
    if (plan.kind === 'whole') this.#requireSpace();
    return plan;
  }

  run(): RunResult {
    this.#mayChange = true;
    this.#recover();
    // The image is written in place: check it before a snapshot is taken for it.
    lookAtOwn(this.#names.image, 'r+');
    const healthy = this.#healthyDevice();
    // Tracking may have been ended by hand, or the last run before it had written the script.
    this.#keepScript();
    const finished = this.#finishInterrupted(healthy);
    if (finished && !isGood(finished)) return finished;

    const device = this.#device();
    const plan = this.#planFor(device, this.#lists(device));
    if (plan.kind === 'whole') this.#rollBack();
    if (plan.kind === 'whole' && this.#request.whole === false) {
      const message = `cannot back up ${this.#volume.path} by its changes only: ${plan.reason}`;
      throw new RefusalError('WHOLE_COPY_NEEDED', message);
    }
    if (plan.kind === 'whole') this.#requireSpace();
    const folder = cowParent(this.#request.cowFolder, this.#mountPoint);
    if (!device) this.#tracking.requireFree(this.#request.minor);
    this.#events.onPlan?.(plan);
    const { snapshot, time } = this.#takeSnapshot(device, folder);
    const outcome = this.#copy(snapshot, plan.kind === 'whole');
    const { reason } = plan;
    return this.#result(snapshot, outcome, time, {
      ...(reason === undefined ? {} : { reason }),
      ...(finished ? { finished: finished.sequence } : {}),
    });
  }

  #requireSpace(): void {
    requireSpace(this.#volume, this.#mountPoint, this.#names, (text) => this.#events.onNotice?.(text));
  }

  #result(
    device: DeviceStatus,
    outcome: CopyOutcome,
    time: Date,
    more: Pick<RunResult, 'reason' | 'finished'>,
  ): RunResult {
    const { minor } = device;
    const place = { image: this.#names.image, minor, volumeBytes: this.#volume.bytes };
    return { ...outcome, ...place, time, failedHooks: this.#failedHooks, ...more };
  }

  #imageState(): ImageState | undefined {
    return readState(this.#stateFile());
  }

  #stateFile(): string {
    return `${this.#names.image}.datto-state`;
  }

  #device(): DeviceStatus | undefined {
    return this.#tracking.find(this.#memory, this.#imageState()?.series);
  }

  #lists(device: DeviceStatus | undefined): Lists {
    if (device?.uuid === undefined) return new Map();
    const paths = new Set(closedCowFiles(this.#memory, this.#mountPoint, device));
    if (this.#justClosed !== undefined) paths.add(this.#justClosed);
    const { lists, short } = listsOf(
      [...paths],
      device.uuid,
      this.#memory.closing,
      this.#volume,
      this.#context.syscalls,
    );
    // The driver's earlier count is kept only until the next list is closed.
    if (this.#mayChange) for (const path of short) removeFile(path);
    return lists;
  }

  #reasonForFull(device: DeviceStatus | undefined, lists: Lists, state = this.#imageState()): string | undefined {
    return reasonForFull({ path: this.#names.image, state }, device, lists, this.#volume.bytes);
  }

  #planFor(device: DeviceStatus | undefined, lists: Lists, state = this.#imageState()): BackupPlan {
    const { whole } = this.#request;
    const needed = this.#reasonForFull(device, lists, state) ?? (whole === true ? 'it was requested' : undefined);
    const lost = this.#lost === undefined ? undefined : `its device could not be used any more: ${this.#lost}`;
    const reason = needed === undefined ? undefined : (lost ?? needed);
    const { bytes } = this.#volume;
    const changed = Number(device?.nrChangedBlocks ?? 0n) * BLOCK_BYTES;
    return {
      kind: reason === undefined ? 'incremental' : 'whole',
      ...(reason === undefined ? {} : { reason }),
      finishFirst: device !== undefined && isSnapshot(device),
      image: this.#names.image,
      volumeBytes: bytes,
      bytes: reason === undefined ? Math.min(changed, bytes) : bytes,
    };
  }

  /** Finishes what needs no driver: a swap of images, a rollback. */
  #recover(): void {
    if (swapIn(this.#names))
      this.#events.onNotice?.('the last run ended before it put its full copy in place; this is done now');
    if (this.#imageState()?.state === 'ROLLING_BACK') this.#rollBack();
  }

  /** Restores the last good image, if the image is a mixture and a usable previous image is kept. */
  #rollBack(): void {
    const state = this.#imageState();
    const { image } = this.#names;
    if (!this.#wayBack || !state?.previous || state.state === 'CLEAN' || !existsSync(image)) return;
    try {
      const { sequence } = rollbackImage({ image, stateFile: this.#stateFile() }, this.#context.syscalls);
      this.#events.onNotice?.(`${image} is snapshot ${sequence} again, the last that was complete`);
    } catch (error) {
      // A missing previous image must not stop the run; another process that writes the image must.
      const isKnown = error instanceof SystemError || error instanceof RefusalError;
      if (!isKnown || ('code' in error && error.code === 'IMAGE_LOCKED')) throw error;
      this.#wayBack = false;
      this.#events.onNotice?.(error.message);
    }
  }

  /**
   * The device, if there is one in a good state. A failed device is destroyed with --restart, or if isLost(): its list of
   * changes is of no use.
   */
  #healthyDevice(): DeviceStatus | undefined {
    const device = this.#device();
    if (!device) return undefined;
    try {
      requireHealthy(device, RESTART);
      return device;
    } catch (error) {
      const code = error instanceof RefusalError ? error.code : undefined;
      this.#rollBack();
      const isAsked = this.#request.restart === true && (code === 'DEVICE_FAILED' || code === 'DEVICE_UNVERIFIED');
      // Without its device, a run must copy everything; with --no-whole it may not.
      if (!isAsked && (!isLost(device) || this.#request.whole === false)) throw error;
      this.#requireSpace();
      this.#tracking.destroy(device.minor);
      this.#keepScript();
      this.#lost = describeState(device.state, device.error);
      const why = isAsked ? 'as requested' : `it has failed: ${this.#lost}`;
      this.#events.onNotice?.(`minor ${device.minor} is destroyed, ${why}`);
      return undefined;
    }
  }

  /**
   * Finishes the backup of a snapshot that still exists.
   *
   * @returns undefined if there was none to finish
   */
  #finishInterrupted(device: DeviceStatus | undefined): RunResult | undefined {
    if (!device || !isSnapshot(device)) return undefined;
    const { seqId: sequence = 0n } = device;
    const time = new Date();
    const isFull = this.#isBegun(device);
    const state = this.#imageState();
    const isDone = state?.state === 'CLEAN' && state.sequence === sequence;
    const isOnItsWay = (): boolean => !isDone && this.#reasonForFull(device, this.#lists(device)) === undefined;
    let outcome: CopyOutcome | undefined;
    // If everything is copied anyway, the image stays as it is until then.
    if (isFull || (this.#request.whole !== true && isOnItsWay())) {
      this.#events.onNotice?.(`the backup of snapshot ${sequence} was interrupted; it is finished first`);
      outcome = this.#copy(device, isFull);
    } else {
      this.#settle(device);
    }
    return outcome && this.#result(device, outcome, time, {});
  }

  /** A full copy of this snapshot was begun, and can be resumed. */
  #isBegun({ uuid, seqId }: DeviceStatus): boolean {
    const { copy } = this.#memory;
    return copy !== undefined && copy.series === uuid && copy.sequence === `${seqId}` && existsSync(this.#names.fresh);
  }

  /** Starts a series, or its next snapshot, between the hooks. */
  #takeSnapshot(device: DeviceStatus | undefined, folder: string): { snapshot: DeviceStatus; time: Date } {
    const cowFile = this.#newCowFile(folder, device);
    const take = (): Date => {
      if (device) this.#tracking.toSnapshot(device.minor, cowFile, this.#request.cowMib ?? 0);
      else this.#setUp(cowFile);
      return new Date();
    };
    const failed = (text: string): void => {
      this.#failedHooks.push(text);
      this.#events.onNotice?.(text);
    };
    const detail = (text: string): void => this.#events.onDetail?.(text);
    const time = aroundSnapshot(hooksOf(this.#request), this.#context.syscalls, take, failed, detail);
    if (device) this.#justClosed = join(this.#mountPoint, device.cowFile);
    this.#keepScript();
    const snapshot = this.#device();
    if (!snapshot)
      throw new RefusalError('DEVICE_FAILED', `cannot back up ${this.#volume.path}: its device has disappeared`);
    this.#events.onStep?.(`snapshot ${snapshot.seqId} of series ${snapshot.uuid} is /dev/datto${snapshot.minor}`);
    return { snapshot, time };
  }

  /** Without space, removes COW files of ended series: their lists are of no use any more. */
  #setUp(cowFile: string): void {
    const { minor, cowMib = 0 } = this.#request;
    try {
      this.#tracking.setUp(cowFile, minor, cowMib);
    } catch (error) {
      const old = closedCowFiles(this.#memory, this.#mountPoint, undefined);
      if (errnoOf(error) !== ENOSPC || old.length === 0) throw error;
      for (const path of old) removeFile(path);
      this.#tracking.setUp(cowFile, minor, cowMib);
    }
  }

  /** A name that no COW file of this folder had. */
  #newCowFile(folder: string, device: DeviceStatus | undefined): string {
    const cowFolders = [...new Set([...this.#memory.cowFolders, folder])];
    const cowNumber = this.#memory.cowNumber + 1;
    const { uuid: series, seqId = 0n, nrChangedBlocks = 0n } = device ?? {};
    const closing = series && { series, sequence: `${seqId}`, leastBlocks: Number(nrChangedBlocks) };
    this.#memory = writeMemory(this.#names, {
      ...this.#memory,
      cowNumber,
      cowFolders,
      ...(closing ? { closing } : {}),
    });
    return cowPath(this.#memory, join(this.#mountPoint, folder));
  }

  /** After a reboot the next run continues from here, if the script can be written; else it copies everything. */
  #keepScript(): void {
    try {
      keepReloadScript(this.#volume, this.#device());
    } catch (error) {
      if (!(error instanceof SystemError) && !(error instanceof RefusalError)) throw error;
      this.#events.onNotice?.(`${error.message}: the first run after a reboot will copy everything`);
    }
  }

  #toIncremental(minor: number): void {
    this.#tracking.toIncremental(minor);
    this.#keepScript();
  }

  /** Copies a snapshot and ends it, or leaves it where the next run can continue best. */
  #copy(device: DeviceStatus, full: boolean): CopyOutcome {
    let outcome: CopyOutcome;
    try {
      const job: CopyJob = {
        request: this.#request,
        context: this.#context,
        events: this.#events,
        names: this.#names,
        device,
        bytes: this.#volume.bytes,
        lists: this.#lists(device),
        copy: this.#memory.copy,
        remember: (copy) => this.#remember(copy),
      };
      outcome = copySnapshot(job, full);
    } catch (error) {
      this.#afterFailure(device);
      throw error;
    }
    if (!isGood(outcome)) {
      this.#afterFailure(device);
      return outcome;
    }
    try {
      this.#settle(device, outcome.kind === 'incremental');
    } catch (error) {
      const { sequence } = outcome;
      this.#events.onNotice?.(`${this.#names.image} is snapshot ${sequence}, complete; the next run ends the snapshot`);
      throw error;
    }
    return outcome;
  }

  #remember(copy: Memory['copy']): void {
    const { copy: _old, ...memory } = this.#memory;
    this.#memory = writeMemory(this.#names, copy ? { ...memory, copy } : memory);
  }

  /**
   * After a copy that failed.
   *
   * A full copy can be resumed as long as its snapshot exists. A list of changes lasts: it is better to end the snapshot
   * than to let its COW file grow, as the next run finds all lists since the image.
   */
  #afterFailure(device: DeviceStatus): void {
    const { minor } = device;
    const error = this.#device()?.error ?? 0;
    if (error !== 0) {
      this.#rollBack();
      requireHealthy({ ...device, error }, RESTART);
    }
    if (this.#isBegun(device)) {
      this.#events.onNotice?.(`/dev/datto${minor} is kept, so that the next run can resume the copy`);
      return;
    }
    try {
      this.#toIncremental(minor);
    } catch (failure) {
      if (!(failure instanceof SystemError)) throw failure;
      this.#events.onNotice?.(failure.message);
    }
  }

  /** Ends a snapshot. Lists are removed once the image on disk includes their changes. */
  #settle(device: DeviceStatus, dropReplaced = false): void {
    this.#toIncremental(device.minor);
    const state = this.#imageState();
    const { uuid, seqId } = device;
    if (state?.state !== 'CLEAN' || state.series !== uuid || state.sequence !== seqId) return;
    const after = this.#device() ?? device;
    // Only this folder's: the image of another folder needs those that it named.
    for (const path of closedCowFiles(this.#memory, this.#mountPoint, after)) {
      // Never the device's own, by whatever path.
      if (basename(path) !== basename(after.cowFile)) removeFile(path);
    }
    if (dropReplaced) removeWithCompanions(this.#names.replaced);
    if (this.#memory.copy) {
      // A full copy that was begun, and is not needed any more.
      removeWithCompanions(this.#names.fresh);
      this.#remember(undefined);
    }
  }
}
