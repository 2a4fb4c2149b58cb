/** One run of a backup: from wherever the last one ended, to an image of the volume as it is now. */
import { join } from 'node:path';
import { keepRecord } from '../disk/keep-record.js';
import type { DeviceStatus } from '../driver/status.js';
import { describeState } from '../driver/status.js';
import { ENOSPC, errnoOf, RefusalError, SystemError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { removeFile } from '../system/safe-files.js';
import { COW_FOLDER, closedCowFiles, cowParent, cowPath } from './cow-files.js';
import type { Destination } from './destination.js';
import type { Lists } from './links.js';
import { listsOf } from './links.js';
import { keepReloadScript } from './reload-script.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, CopyOutcome, RunResult } from './request.js';
import { isGood } from './request.js';
import { lagNotice, removeLists } from './retention.js';
import type { Next } from './tracking.js';
import { isLost, isSnapshot, requireHealthy, Tracking } from './tracking.js';
import type { Volume } from './volume.js';
import type { KeptVolume, TargetName } from './volume-memory.js';
import { isSameTarget } from './volume-memory.js';

const RESTART =
  '--restart destroys it and starts over with a full copy; what is there stays until that copy is complete';

/** What a run works on. */
export interface Place {
  readonly volume: Volume;
  readonly mountPoint: string;
  readonly kept: KeptVolume;
  readonly target: TargetName;
  /** Makes sure that the target keeps its id. */
  readonly keepTarget: () => void;
  readonly destination: Destination;
}

/** What is known when a snapshot can be taken. */
export interface Ready {
  /** That tracks the volume, if any does. */
  readonly device: DeviceStatus | undefined;
  readonly plan: BackupPlan;
  /** Above the folder of COW files, from the root of the volume's filesystem. */
  readonly folder: string;
  /** An interrupted backup that was finished first. */
  readonly finished: RunResult | undefined;
}

/** A run of the backup, once its place is checked. */
export class Run {
  readonly #request: BackupRequest;
  readonly #context: BackupContext;
  readonly #events: BackupEvents;
  readonly #volume: Volume;
  readonly #mountPoint: string;
  readonly #destination: Destination;
  readonly #tracking: Tracking;
  readonly #kept: KeptVolume;
  readonly #target: TargetName;
  readonly #keepTarget: () => void;
  /** Why there is no device, if that is known. */
  #lost: string | undefined;
  /** The COW file that the switch to a snapshot closed: another program may have named it. */
  #justClosed: string | undefined;
  /** It is no dry run. */
  #mayChange = false;
  /** Hooks that failed after the snapshot, in words. */
  #failedHooks: readonly string[] = [];

  constructor(request: BackupRequest, context: BackupContext, events: BackupEvents, place: Place) {
    [this.#request, this.#context, this.#events] = [request, context, events];
    [this.#volume, this.#mountPoint, this.#destination] = [place.volume, place.mountPoint, place.destination];
    [this.#kept, this.#target, this.#keepTarget] = [place.kept, place.target, place.keepTarget];
    this.#tracking = new Tracking(context.driver, place.volume);
  }

  /** What would be done; nothing is changed. */
  plan(): BackupPlan {
    const device = this.#device();
    if (device && this.#request.restart !== true && !isLost(device)) requireHealthy(device, RESTART);
    const usable = device && (device.error ?? 0) === 0 ? device : undefined;
    if (device && !usable) this.#lost = describeState(device.state, device.error);
    const plan = this.#planFor(usable, this.#lists(usable), true);
    if (plan.kind === 'whole') this.#requireSpace();
    return plan;
  }

  /**
   * Finishes what was interrupted, and makes sure that a snapshot can be taken and copied.
   *
   * @returns the result of an interrupted backup that is not good
   */
  prepare(): Ready | { readonly ended: RunResult } {
    this.#mayChange = true;
    this.#destination.recover();
    const healthy = this.#healthyDevice();
    // Tracking may have been ended by hand, or the last run before it had written the script.
    this.#keepScript();
    const finished = this.#finishInterrupted(healthy);
    if (finished && !isGood(finished)) return { ended: finished };

    const device = this.#device();
    const plan = this.#planFor(device, this.#lists(device));
    if (plan.kind === 'whole') this.#destination.rollBack();
    if (plan.kind === 'whole' && this.#request.whole === false) {
      const message = `cannot back up ${this.#volume.path} by its changes only: ${plan.reason}`;
      throw new RefusalError('WHOLE_COPY_NEEDED', message);
    }
    if (plan.kind === 'whole') this.#requireSpace();
    const folder = cowParent(this.#request.cowFolder, this.#mountPoint);
    if (!device) this.#tracking.requireFree(this.#request.minor);
    this.#keepDiskRecord();
    this.#events.onPlan?.(plan);
    return { device, plan, folder, finished };
  }

  /** A volume that nothing tracks is tracked from here on: snapshots of several volumes at one instant need that. */
  track(ready: Ready): Ready {
    if (ready.device) return ready;
    this.take(this.next(ready));
    const { minor } = this.#requireDevice();
    this.#toIncremental(minor);
    return { ...ready, device: this.#requireDevice() };
  }

  /** What the driver is to do. */
  next({ device, folder }: Ready): Next {
    const { minor, cowMib = 0 } = this.#request;
    const cowFile = this.#withRoom(device, () => this.#newCowFile(folder, device));
    return {
      volume: this.#volume.path,
      minor: device?.minor ?? minor,
      isTracked: device !== undefined,
      cowFile,
      cowMib,
    };
  }

  /** Starts a series, or its next snapshot. */
  take(next: Next): void {
    const { minor, cowFile, cowMib, isTracked } = next;
    if (isTracked) this.#tracking.toSnapshot(next);
    else this.#withRoom(undefined, () => this.#tracking.setUp(cowFile, minor, cowMib));
  }

  /**
   * Copies the snapshot that was taken, and ends it.
   *
   * @param failedHooks that failed after it, in words
   */
  complete({ device, plan, finished }: Ready, time: Date, failedHooks: readonly string[]): RunResult {
    if (device) this.#justClosed = join(this.#mountPoint, device.cowFile);
    this.#failedHooks = failedHooks;
    this.#keepScript();
    const snapshot = this.#requireDevice();
    this.#events.onStep?.(`snapshot ${snapshot.seqId} of series ${snapshot.uuid} is /dev/datto${snapshot.minor}`);
    const outcome = this.#copy(snapshot, time, plan.kind === 'whole');
    const { reason } = plan;
    return this.#result(snapshot, outcome, time, {
      ...(reason === undefined ? {} : { reason }),
      ...(finished ? { finished: finished.sequence } : {}),
    });
  }

  #requireSpace(): void {
    this.#destination.requireSpace(this.#mountPoint);
  }

  #result(
    device: DeviceStatus,
    outcome: CopyOutcome,
    time: Date,
    more: Pick<RunResult, 'reason' | 'finished'>,
  ): RunResult {
    const { minor } = device;
    const place = { image: this.#destination.path, minor, volumeBytes: this.#volume.bytes };
    return { ...place, ...outcome, time, failedHooks: this.#failedHooks, ...more };
  }

  #device(): DeviceStatus | undefined {
    return this.#tracking.find(this.#destination.series());
  }

  #requireDevice(): DeviceStatus {
    const device = this.#device();
    if (device) return device;
    throw new RefusalError('DEVICE_FAILED', `cannot back up ${this.#volume.path}: its device has disappeared`);
  }

  #lists(device: DeviceStatus | undefined): Lists {
    if (device?.uuid === undefined) return new Map();
    const { cowFolders, closing } = this.#kept.value;
    const paths = new Set(closedCowFiles(cowFolders, this.#mountPoint, device));
    if (this.#justClosed !== undefined) paths.add(this.#justClosed);
    const { lists, short } = listsOf([...paths], device.uuid, closing, this.#volume, this.#context.syscalls);
    // The driver's earlier count is kept only until the next list is closed.
    if (this.#mayChange) for (const path of short) removeFile(path);
    return lists;
  }

  #planFor(device: DeviceStatus | undefined, lists: Lists, planned = false): BackupPlan {
    const { whole } = this.#request;
    const why = this.#destination.reasonForFull(device, lists, planned);
    const needed = why ?? (whole === true ? 'it was requested' : undefined);
    const lost = this.#lost === undefined ? undefined : `its device could not be used any more: ${this.#lost}`;
    const reason = needed === undefined ? undefined : (lost ?? needed);
    const { bytes } = this.#volume;
    const changed = Number(device?.nrChangedBlocks ?? 0n) * BLOCK_BYTES;
    return {
      kind: reason === undefined ? 'incremental' : 'whole',
      ...(reason === undefined ? {} : { reason }),
      finishFirst: device !== undefined && isSnapshot(device) && !this.#isOfAnother(device),
      image: this.#destination.path,
      volumeBytes: bytes,
      bytes: reason === undefined ? Math.min(changed, bytes) : bytes,
    };
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
      this.#destination.rollBack();
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
    if (this.#isOfAnother(device)) {
      const { address = '' } = this.#kept.value.snapshotFor ?? {};
      this.#events.onNotice?.(
        `the backup of snapshot ${sequence} into ${address} was interrupted; this snapshot is ended`,
      );
      this.#settle(device, time);
      return undefined;
    }
    const isFull = this.#destination.isBegun(device);
    const isDone = this.#destination.isAt(device);
    const isOnItsWay = (): boolean =>
      !isDone && this.#destination.reasonForFull(device, this.#lists(device)) === undefined;
    let outcome: CopyOutcome | undefined;
    // If everything is copied anyway, the image stays as it is until then.
    if (isFull || (this.#request.whole !== true && isOnItsWay())) {
      this.#events.onNotice?.(`the backup of snapshot ${sequence} was interrupted; it is finished first`);
      outcome = this.#copy(device, time, isFull);
    } else {
      this.#settle(device, time);
    }
    return outcome && this.#result(device, outcome, time, {});
  }

  /** A snapshot was taken for another target, whose next run needs its list only. */
  #isOfAnother(device: DeviceStatus): boolean {
    const { snapshotFor } = this.#kept.value;
    return snapshotFor !== undefined && !isSameTarget(snapshotFor, this.#target) && !this.#destination.isBegun(device);
  }

  /** Without space on the volume, removes COW files of ended series: their lists are of no use any more. */
  #withRoom<T>(device: DeviceStatus | undefined, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const old = device ? [] : closedCowFiles(this.#kept.value.cowFolders, this.#mountPoint, undefined);
      if (errnoOf(error) !== ENOSPC || old.length === 0) throw error;
      for (const path of old) removeFile(path);
      return run();
    }
  }

  /** A name that no COW file had. */
  #newCowFile(folder: string, device: DeviceStatus | undefined): string {
    const { cowFolders } = this.#kept.value;
    const { uuid: series, seqId: sequence = 0n, nrChangedBlocks = 0n } = device ?? {};
    const closing = series && { series, sequence, leastBlocks: Number(nrChangedBlocks) };
    this.#keepTarget();
    this.#kept.update({
      cowFolders: [...new Set([...cowFolders, folder])],
      snapshotFor: this.#target,
      ...(closing ? { closing } : {}),
    });
    return cowPath(join(this.#mountPoint, folder));
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

  /** Without it, all but the disk around the volume can be restored. */
  #keepDiskRecord(): void {
    const { number } = this.#volume;
    try {
      keepRecord(number, join(this.#mountPoint, COW_FOLDER), this.#context.syscalls, this.#events);
    } catch (error) {
      if (!(error instanceof SystemError) && !(error instanceof RefusalError)) throw error;
      this.#events.onNotice?.(`${error.message}; datto-restore disk cannot rebuild the disk as it is now`);
    }
  }

  #toIncremental(minor: number): void {
    this.#tracking.toIncremental(minor);
    this.#keepScript();
  }

  /** Copies a snapshot and ends it, or leaves it where the next run can continue best. */
  #copy(device: DeviceStatus, time: Date, full: boolean): CopyOutcome {
    let outcome: CopyOutcome;
    try {
      outcome = this.#destination.copy({ device, time, lists: this.#lists(device), full });
    } catch (error) {
      this.#afterFailure(device);
      throw error;
    }
    if (!isGood(outcome)) {
      this.#afterFailure(device);
      return outcome;
    }
    try {
      this.#settle(device, time, outcome.kind === 'incremental');
    } catch (error) {
      const { path } = this.#destination;
      this.#events.onNotice?.(`snapshot ${outcome.sequence} is complete in ${path}; the next run ends the snapshot`);
      throw error;
    }
    return outcome;
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
      this.#destination.rollBack();
      requireHealthy({ ...device, error }, RESTART);
    }
    if (this.#destination.isBegun(device)) {
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

  /** Ends a snapshot. Lists are removed once what all targets have on disk includes their changes. */
  #settle(device: DeviceStatus, time: Date, isIncremental = false): void {
    this.#toIncremental(device.minor);
    if (!this.#destination.isAt(device)) return;
    const { uuid: series = '', seqId: sequence = 0n } = device;
    this.#kept.reached({ ...this.#target, series, sequence, time });
    const others = this.#kept.others(this.#target, series);
    const place = { volume: this.#volume, mountPoint: this.#mountPoint, kept: this.#kept };
    removeLists(place, this.#device() ?? device, others, this.#context.syscalls);
    for (const other of others) {
      const notice = lagNotice(this.#volume, other, new Date());
      if (notice !== undefined) this.#events.onNotice?.(notice);
    }
    this.#destination.settled(isIncremental);
  }
}
