/** One image of a volume, brought up to date in place, or replaced by a full copy. */
import { existsSync } from 'node:fs';
import type { DeviceStatus } from '../driver/status.js';
import { RefusalError, SystemError } from '../errors.js';
import { rollbackImage } from '../image/rollback.js';
import type { ImageState } from '../image/state.js';
import { readState } from '../image/state.js';
import { lookAtOwn } from '../system/safe-files.js';
import { requireSpace } from './checks.js';
import { copySnapshot } from './copy-snapshot.js';
import type { Destination, SnapshotJob, Work } from './destination.js';
import type { FullCopy, KeptMemory, Names } from './folder.js';
import { removeWithCompanions, storedBytes, swapIn } from './folder.js';
import type { Lists } from './links.js';
import { afterRollback, reasonForFull } from './links.js';
import type { CopyOutcome } from './request.js';
import type { Volume } from './volume.js';

export class ImageDestination implements Destination {
  readonly path: string;
  readonly #work: Work;
  readonly #volume: Volume;
  readonly #names: Names;
  readonly #memory: KeptMemory;
  /** False once restoring the previous image has failed. */
  #wayBack = true;

  constructor(work: Work, volume: Volume, names: Names, memory: KeptMemory) {
    [this.#work, this.#volume, this.#names, this.#memory] = [work, volume, names, memory];
    this.path = names.image;
  }

  series(): string | undefined {
    return this.#state()?.series;
  }

  recover(): void {
    if (swapIn(this.#names))
      this.#work.events.onNotice?.('the last run ended before it put its full copy in place; this is done now');
    if (this.#state()?.state === 'ROLLING_BACK') this.rollBack();
    // The image is written in place: it is checked before a snapshot is taken for it.
    lookAtOwn(this.path, 'r+');
  }

  reasonForFull(device: DeviceStatus | undefined, lists: Lists, planned = false): string | undefined {
    const state = this.#state();
    const known = { path: this.path, state: planned ? afterRollback(state) : state };
    return reasonForFull(known, device, lists, this.#volume.bytes);
  }

  isAt({ uuid, seqId }: DeviceStatus): boolean {
    const state = this.#state();
    return state?.state === 'CLEAN' && state.series === uuid && state.sequence === seqId;
  }

  isBegun({ uuid, seqId }: DeviceStatus): boolean {
    const { copy } = this.#memory.value;
    return copy !== undefined && copy.series === uuid && copy.sequence === `${seqId}` && existsSync(this.#names.fresh);
  }

  requireSpace(mountPoint: string): void {
    const { folder, fresh } = this.#names;
    // A full copy that was begun is resumed or replaced.
    requireSpace(this.#volume, mountPoint, folder, storedBytes(fresh), (text) => this.#work.events.onNotice?.(text));
  }

  /** Restores the last good image, if a usable previous image is kept. */
  rollBack(): void {
    const state = this.#state();
    const { path } = this;
    if (!this.#wayBack || !state?.previous || state.state === 'CLEAN' || !existsSync(path)) return;
    const { events, context } = this.#work;
    try {
      const { sequence } = rollbackImage({ image: path, stateFile: this.#stateFile() }, context.syscalls);
      events.onNotice?.(`${path} is snapshot ${sequence} again, the last that was complete`);
    } catch (error) {
      // A missing previous image must not stop the run; another process that writes the image must.
      const isKnown = error instanceof SystemError || error instanceof RefusalError;
      if (!isKnown || ('code' in error && error.code === 'IMAGE_LOCKED')) throw error;
      this.#wayBack = false;
      events.onNotice?.(error.message);
    }
  }

  copy({ device, lists, full }: SnapshotJob): CopyOutcome {
    const job = {
      ...this.#work,
      ...{ names: this.#names, device, lists },
      copy: this.#memory.value.copy,
      remember: (copy: FullCopy | undefined) => this.#memory.rememberCopy(copy),
    };
    return copySnapshot(job, full);
  }

  settled(isIncremental: boolean): void {
    if (isIncremental) removeWithCompanions(this.#names.replaced);
    if (!this.#memory.value.copy) return;
    // A full copy that was begun, and is not needed any more.
    removeWithCompanions(this.#names.fresh);
    this.#memory.rememberCopy(undefined);
  }

  #stateFile(): string {
    return `${this.path}.datto-state`;
  }

  #state(): ImageState | undefined {
    return readState(this.#stateFile());
  }
}
