/** Restore points in a repository of restic or borg, of all volumes that it has. */
import { EIO, errnoOf } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { OpenFile } from '../system/files.js';
import { stateFolder } from '../system/state-folder.js';
import type { Syscalls } from '../system/syscalls.js';
import { withoutPassword } from '../targets/chunks/address.js';
import { volumesIn } from '../targets/chunks/engines.js';
import type { ChunkPoint } from '../targets/chunks/facts.js';
import { ChunkTarget } from '../targets/chunks/target.js';
import type { OpenPoint, ReadEvents, RestorePoint, Source } from './point.js';

interface Found {
  readonly target: ChunkTarget;
  readonly point: ChunkPoint;
}

/** Reads all of a point. The engine compares what it reads with its sums; a chunk that it cannot read is damaged. */
const readAll = (path: string, { bytes, facts }: ChunkPoint, events: ReadEvents): number => {
  const file = OpenFile.open(path, 'r');
  try {
    const chunk = Buffer.alloc(facts.chunkBytes);
    let damaged = 0;
    for (let offset = 0; offset < bytes; offset += chunk.length) {
      const data = chunk.subarray(0, Math.min(chunk.length, bytes - offset));
      try {
        file.readFull(data, offset);
      } catch (error) {
        if (errnoOf(error) !== EIO) throw error;
        data.fill(0);
        const count = Math.ceil(data.length / BLOCK_BYTES);
        damaged += count;
        events.onDamage({ start: offset / BLOCK_BYTES, count });
      }
      events.onData?.(data, offset);
      events.onProgress?.(offset + data.length);
    }
    return damaged;
  } finally {
    file.close();
  }
};

export class ChunksSource implements Source {
  readonly address: string;
  readonly #given: string;
  readonly #syscalls: Syscalls;
  /** Asking an engine takes seconds. */
  #found: readonly Found[] | undefined;

  /** @param address `restic:REPOSITORY` or `borg:REPOSITORY` */
  constructor(address: string, syscalls: Syscalls) {
    [this.address, this.#given, this.#syscalls] = [withoutPassword(address), address, syscalls];
  }

  points(): RestorePoint[] {
    return this.#look().map(({ point: { name, time, kind, bytes } }) => ({ name, time, kind, bytes }));
  }

  open(point: RestorePoint): OpenPoint {
    const found = this.#look().find((one) => one.point.name === point.name);
    if (!found) throw new RangeError(`no point ${point.name}`);
    const opened = found.target.open(found.point);
    return {
      point,
      label: `restore point ${point.name} of ${this.address}`,
      served: { image: opened.path, format: 'raw', access: 'r', name: opened.path },
      read: (events) => readAll(opened.path, found.point, events),
      release: () => opened.release(),
      close: () => opened.close(),
    };
  }

  #look(): readonly Found[] {
    this.#found ??= volumesIn(this.#given, stateFolder(), this.#syscalls)
      .flatMap((volume) => {
        const of = { address: this.#given, volume, stateFolder: stateFolder(), syscalls: this.#syscalls };
        const target = new ChunkTarget(of);
        return target.points().map((point) => ({ target, point }));
      })
      .sort((a, b) => a.point.time.getTime() - b.point.time.getTime());
    return this.#found;
  }
}
