/** Where a volume is restored to: a block device, or a new file. */
import type { BigIntStats } from 'node:fs';
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { PIECE_BYTES } from '../cow/runs.js';
import { RefusalError, withErrno } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { kindOf } from '../system/files.js';
import { NewFile } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { pointsFolder } from '../targets/qcow2.js';
import { DeviceArea, partsOf } from './area.js';
import { openDevice } from './device.js';

/** All but the first piece is written in ascending order, the first one at the end. */
export interface Output {
  /** Where it is, for people. */
  readonly path: string;
  readonly isDevice: boolean;
  /** Bytes that it has beyond the volume, which stay as they are. */
  readonly restBytes: number;
  /** What an earlier copy that did not end was of, in words. */
  readonly unfinished: string | undefined;
  /** Begins: what was there is lost. @param what is copied, in words */
  begin(what: string): void;
  /** Writes a piece. */
  put(data: Buffer, offset: number): void;
  /** What was written is on disk when this returns. */
  sync(): void;
  /** The next read comes from the disk. */
  forget(): void;
  /** Fills `target`. */
  read(target: Buffer, offset: number): void;
  /** Ends a copy that is complete and on disk. */
  finish(): void;
  /** Releases it. A file that is not finished is removed. */
  close(): void;
}

/** What the first block of a device says until its copy is complete; no filesystem is recognized there then. */
const MARK = 'datto-restore: incomplete copy of ';
/** What an earlier copy onto an area that did not end was of, in words; undefined if there was none. */
export const unfinishedCopy = (area: DeviceArea): string | undefined => {
  const block = Buffer.alloc(Math.min(BLOCK_BYTES, area.bytes));
  area.read(block, 0);
  const [line = ''] = block.toString('utf8').split('\n');
  return line.startsWith(MARK) ? line.slice(MARK.length) : undefined;
};

/** Marks an area as one whose copy has not ended, on disk when this returns. @param what is copied, in words */
export const markUnfinished = (area: DeviceArea, what: string): void => {
  const head = Buffer.alloc(Math.min(PIECE_BYTES, area.bytes));
  head.write(`${MARK}${what}\n`);
  area.write(head, 0);
  area.sync();
};

/** An area that takes a volume. */
export class AreaOutput implements Output {
  readonly path: string;
  readonly isDevice = true;
  readonly restBytes: number;
  readonly unfinished: string | undefined;
  readonly #area: DeviceArea;
  readonly #close: () => void;

  /** @throws RefusalError IMAGE_SIZE; SystemError */
  constructor(area: DeviceArea, bytes: number, close: () => void) {
    [this.path, this.#area, this.#close] = [area.path, area, close];
    if (area.bytes < bytes) {
      const message = `cannot write ${area.path}: it has ${area.bytes} bytes, expected at least ${bytes} as the volume has`;
      throw new RefusalError('IMAGE_SIZE', message);
    }
    this.restBytes = area.bytes - bytes;
    this.unfinished = unfinishedCopy(area);
  }

  begin(what: string): void {
    markUnfinished(this.#area, what);
  }

  put(data: Buffer, offset: number): void {
    this.#area.put(data, offset);
  }

  sync(): void {
    this.#area.sync();
  }

  forget(): void {
    this.#area.forget();
  }

  read(target: Buffer, offset: number): void {
    this.#area.read(target, offset);
  }

  finish(): void {
    this.#area.sync();
  }

  close(): void {
    this.#close();
  }
}

class FileOutput implements Output {
  readonly path: string;
  readonly isDevice = false;
  readonly restBytes = 0;
  readonly unfinished = undefined;
  readonly #made: NewFile;
  readonly #syscalls: Syscalls;

  constructor(path: string, bytes: number, replace: boolean, syscalls: Syscalls) {
    [this.path, this.#syscalls] = [path, syscalls];
    this.#made = new NewFile(path, replace);
    try {
      this.#made.resize(bytes);
    } catch (error) {
      this.#made.discard();
      throw error;
    }
  }

  begin(): void {
    // Until it is finished it has no name of its own.
  }

  put(data: Buffer, offset: number): void {
    for (const { start, end, isZero } of partsOf(data))
      if (!isZero) this.#made.file.writeFull(data.subarray(start, end), offset + start);
  }

  sync(): void {
    this.#made.file.sync();
  }

  forget(): void {
    this.#syscalls.adviseDontNeed(this.#made.file.fd);
  }

  read(target: Buffer, offset: number): void {
    this.#made.file.readFull(target, offset);
  }

  finish(): void {
    this.#made.finish();
  }

  close(): void {
    this.#made.discard();
  }
}

/** A file must not replace what is read, or lie among what others take for files of the backup. */
const requireElsewhere = (path: string, address: string): void => {
  const real = (name: string): string => withErrno('open', name, () => realpathSync(name));
  const place = join(real(dirname(resolve(path))), basename(path));
  const stat = statSync(address, { throwIfNoEntry: false });
  if (!stat) return;
  const source = real(address);
  const isWithin = stat.isDirectory() && [source, pointsFolder(source)].includes(dirname(place));
  if (!isWithin && place !== source) return;
  const message = `cannot write ${path}: it is in the backup that is restored, expected another folder`;
  throw new RefusalError('IMAGE_IS_INPUT', message);
};

const existing = (path: string): BigIntStats | undefined =>
  withErrno('open', path, () => statSync(path, { bigint: true, throwIfNoEntry: false }));

/**
 * Opens what a volume is restored to. Nothing is written yet.
 *
 * @param bytes size of the volume
 * @param address of the source
 * @param force a regular file may be replaced, and a disk with partitions overwritten
 * @throws RefusalError IMAGE_BUSY, IMAGE_KIND, IMAGE_SIZE, IMAGE_IS_INPUT, OUTPUT_EXISTS, FILE_UNSAFE; SystemError
 */
export const openOutput = (
  path: string,
  bytes: number,
  address: string,
  force: boolean,
  syscalls: Syscalls,
): Output => {
  const stat = existing(path);
  if (stat?.isBlockDevice()) {
    const device = openDevice(path, force);
    try {
      const area = new DeviceArea(device, 0, device.blockDeviceBytes(syscalls), syscalls);
      return new AreaOutput(area, bytes, () => device.close());
    } catch (error) {
      device.close();
      throw error;
    }
  }
  if (stat && !stat.isFile()) {
    const expected = 'expected a block device or a new file';
    throw new RefusalError('IMAGE_KIND', `cannot write ${path}: it is ${kindOf(stat)}, ${expected}`);
  }
  // A device whose name is misspelt: a file there would fill the memory.
  if (/^\/dev\/(?!shm\/)/.test(resolve(path))) {
    const expected = 'expected a block device; hint: lsblk';
    throw new RefusalError('IMAGE_KIND', `cannot write ${path}: there is no such device, ${expected}`);
  }
  requireElsewhere(path, address);
  return new FileOutput(path, bytes, force, syscalls);
};
