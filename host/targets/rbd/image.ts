/** One RADOS block device (RBD) of a Ceph cluster, by the commands of `rbd`. */
import { RefusalError } from '../../errors.js';
import type { Export } from '../../nbd/server.js';
import { linesOf, runProgram } from '../../system/program.js';
import { isCount, isRecord } from '../../system/summed-json.js';
import type { RbdAddress } from './address.js';
import { clientOptions } from './address.js';

/** Part of a device, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Who has the exclusive lock of a device: its client wrote to it last, and has it open or was killed. */
export interface LockOwner {
  readonly id: string;
  readonly locker: string;
  readonly address: string;
}

const RBD = { name: 'rbd', package: 'ceph-common' };
/** The lock keeps a killed writer out; the object map makes differences quick to find. */
const FEATURES = 'exclusive-lock,object-map,fast-diff';

const unexpected = (what: string): RefusalError =>
  new RefusalError('PROGRAM_FAILED', `cannot use what rbd printed: no ${what}`);

const isFailure = (error: unknown): error is RefusalError =>
  error instanceof RefusalError && error.code === 'PROGRAM_FAILED';

const textOf = (value: unknown, what: string): string => {
  if (typeof value === 'string') return value;
  throw unexpected(what);
};

const countOf = (value: unknown, what: string): number => {
  if (isCount(value)) return value;
  throw unexpected(what);
};

const recordsOf = (value: unknown, what: string): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  if (Array.isArray(value) && value.every(isRecord)) return value;
  throw unexpected(what);
};

export class RbdImage {
  /** `pool/name`. */
  readonly name: string;
  readonly #address: RbdAddress;

  constructor(address: RbdAddress) {
    this.#address = address;
    this.name = `${address.pool}/${address.image}`;
  }

  /**
   * Size in bytes; undefined if there is no such image.
   *
   * @throws RefusalError IMAGE_KIND if the pool cannot be read
   */
  find(): number | undefined {
    try {
      const info = this.#json('info', this.name);
      return countOf(isRecord(info) ? info.size : undefined, 'size');
    } catch (error) {
      if (!isFailure(error) || this.#namesInPool().includes(this.#address.image)) throw error;
      return undefined;
    }
  }

  create(bytes: number): void {
    this.#run('create', '--size', `${bytes}B`, '--image-feature', FEATURES, this.name);
  }

  resize(bytes: number): void {
    this.#run('resize', '--no-progress', '--allow-shrink', '--size', `${bytes}B`, this.name);
  }

  /** Names of all snapshots, the oldest first. */
  snapshots(): string[] {
    return recordsOf(this.#json('snap', 'ls', this.name), 'snapshots')
      .map(({ id, name }) => ({ id: countOf(id, 'id'), name: textOf(name, 'name') }))
      .sort((a, b) => a.id - b.id)
      .map(({ name }) => name);
  }

  /** Makes a snapshot, all or nothing. What a client with the lock has flushed is in it. */
  snapshot(name: string): void {
    this.#run('snap', 'create', '--no-progress', `${this.name}@${name}`);
  }

  removeSnapshot(name: string): void {
    this.#run('snap', 'rm', '--no-progress', `${this.name}@${name}`);
  }

  /** Its metadata. */
  facts(): ReadonlyMap<string, string> {
    const facts = this.#json('image-meta', 'list', this.name) ?? {};
    if (!isRecord(facts)) throw unexpected('metadata');
    return new Map(Object.entries(facts).map(([key, value]) => [key, textOf(value, key)]));
  }

  setFact(key: string, value: string): void {
    this.#run('image-meta', 'set', this.name, key, value);
  }

  removeFact(key: string): void {
    this.#run('image-meta', 'remove', this.name, key);
  }

  /** What was written since a snapshot, or ever: content there may be the same all the same. */
  written(since?: string): Extent[] {
    const from = since === undefined ? [] : ['--from-snap', since];
    return recordsOf(this.#json('diff', ...from, this.name), 'extents').map(({ offset, length }) => ({
      offset: countOf(offset, 'offset'),
      length: countOf(length, 'length'),
    }));
  }

  lockOwners(): LockOwner[] {
    return recordsOf(this.#json('lock', 'ls', this.name), 'locks').map(({ id, locker, address }) => ({
      id: textOf(id, 'id'),
      locker: textOf(locker, 'locker'),
      address: textOf(address, 'address'),
    }));
  }

  /** Whether a client has it open; one that was killed counts until the cluster misses it, for 30 seconds. */
  isOpenBy({ locker }: LockOwner): boolean {
    const status = this.#json('status', this.name);
    const watchers = recordsOf(isRecord(status) ? status.watchers : undefined, 'watchers');
    return watchers.some(({ client }) => locker === `client.${countOf(client, 'client')}`);
  }

  /** Takes the lock from a client; the cluster accepts no more writes of it. */
  breakLock({ id, locker }: LockOwner): void {
    try {
      this.#run('lock', 'rm', this.name, id, locker);
    } catch (error) {
      // A client that ended meanwhile has released it.
      if (this.lockOwners().some((owner) => owner.locker === locker)) throw error;
    }
  }

  /** Bytes of the objects that a snapshot does not share with the one before it. */
  usedBytes(snapshot: string): number {
    const used = this.#json('du', `${this.name}@${snapshot}`);
    const [image] = recordsOf(isRecord(used) ? used.images : undefined, 'images');
    return countOf(image?.used_size, 'used size');
  }

  /** The device to be written, or a snapshot of it to be read. Reads come from the cluster, not from the client's cache. */
  export(snapshot?: string): Export {
    const name = snapshot === undefined ? this.name : `${this.name}@${snapshot}`;
    const { id, conf } = this.#address;
    const options = ['rbd_cache_policy=writearound', ...(id ? [`id=${id}`] : []), ...(conf ? [`conf=${conf}`] : [])];
    return {
      image: `rbd:${[name, ...options].join(':')}`,
      format: 'raw',
      access: snapshot === undefined ? 'r+' : 'r',
      name: `rbd:${name}`,
    };
  }

  #namesInPool(): readonly unknown[] {
    const { pool } = this.#address;
    try {
      const names = this.#json('ls', pool);
      if (Array.isArray(names)) return names;
    } catch (error) {
      if (!isFailure(error)) throw error;
      const expected = 'expected a pool that this client may use; hint: ceph osd pool ls, ceph auth get-or-create';
      throw new RefusalError(
        'IMAGE_KIND',
        `cannot open pool '${pool}' for ${this.name}: ${error.message}; ${expected}`,
      );
    }
    throw unexpected('names');
  }

  #run(...args: readonly string[]): Buffer {
    return runProgram(RBD, [...clientOptions(this.#address), ...args], '');
  }

  #json(...args: readonly string[]): unknown {
    const output = this.#run(...args, '--format', 'json');
    const text = [...linesOf(output)].join('\n').trim();
    try {
      // Without metadata rbd prints nothing.
      return text === '' ? undefined : JSON.parse(text);
    } catch {
      throw unexpected('JSON');
    }
  }
}
