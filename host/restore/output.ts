/** Where a volume is restored to: a block device, or a new file. */
import type { BigIntStats } from 'node:fs';
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { areZeros, HOLE_BYTES } from '../copy/copy.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { RefusalError, SystemError, withErrno } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { kindOf, type OpenFile } from '../system/files.js';
import { NewFile } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { pointsFolder } from '../targets/qcow2.js';
import { openDevice } from './device.js';

/** All but the first piece is written in ascending order, the first one at the end. */
export interface Output {
  readonly file: OpenFile;
  readonly isDevice: boolean;
  /** Bytes that it has beyond the volume, which stay as they are. */
  readonly restBytes: number;
  /** What an earlier copy that did not end was of, in words. */
  readonly unfinished: string | undefined;
  /** Begins: what was there is lost. @param what is copied, in words */
  begin(what: string): void;
  /** Writes a piece. */
  put(data: Buffer, offset: number): void;
  /** Ends a copy that is complete and on disk. */
  finish(): void;
  /** Releases it. A file that is not finished is removed. */
  close(): void;
}

/** What the first block of a device says until its copy is complete; no filesystem is recognized there then. */
const MARK = 'datto-restore: incomplete copy of ';
/** ioctl: zeros in a range, two u64: offset and bytes. */
const BLKZEROOUT = 0x127f;

/** Parts of a piece, alternately bytes to write and zeros. */
function* partsOf(data: Buffer): Generator<{ readonly start: number; readonly end: number; readonly isZero: boolean }> {
  let [start, wasZero] = [0, false];
  for (let at = 0; at < data.length; at += HOLE_BYTES) {
    const isZero = areZeros(data.subarray(at, at + HOLE_BYTES));
    if (isZero !== wasZero && at > start) yield { start, end: at, isZero: wasZero };
    if (isZero !== wasZero) start = at;
    wasZero = isZero;
  }
  yield { start, end: data.length, isZero: wasZero };
}

class DeviceOutput implements Output {
  readonly file: OpenFile;
  readonly isDevice = true;
  readonly restBytes: number;
  readonly unfinished: string | undefined;
  readonly #syscalls: Syscalls;
  readonly #bytes: number;

  constructor(file: OpenFile, bytes: number, syscalls: Syscalls) {
    [this.file, this.#bytes, this.#syscalls] = [file, bytes, syscalls];
    const has = file.blockDeviceBytes(syscalls);
    if (has < bytes) {
      const message = `cannot write ${file.path}: it has ${has} bytes, expected at least ${bytes} as the volume has`;
      throw new RefusalError('IMAGE_SIZE', message);
    }
    this.restBytes = has - bytes;
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, bytes));
    file.readFull(block, 0);
    const [line = ''] = block.toString('utf8').split('\n');
    this.unfinished = line.startsWith(MARK) ? line.slice(MARK.length) : undefined;
  }

  begin(what: string): void {
    const head = Buffer.alloc(Math.min(PIECE_BYTES, this.#bytes));
    head.write(`${MARK}${what}\n`);
    this.file.writeFull(head, 0);
    this.file.sync();
  }

  put(data: Buffer, offset: number): void {
    for (const { start, end, isZero } of partsOf(data))
      if (!isZero || !this.#zero(offset + start, end - start))
        this.file.writeFull(data.subarray(start, end), offset + start);
  }

  finish(): void {
    this.file.sync();
  }

  close(): void {
    this.file.close();
  }

  /** Returns false if the device cannot do that there. */
  #zero(offset: number, bytes: number): boolean {
    const range = Buffer.alloc(16);
    range.writeBigUInt64LE(BigInt(offset), 0);
    range.writeBigUInt64LE(BigInt(bytes), 8);
    try {
      this.#syscalls.ioctl(this.file.fd, BLKZEROOUT, range, this.file.path);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }
}

class FileOutput implements Output {
  readonly isDevice = false;
  readonly restBytes = 0;
  readonly unfinished = undefined;
  readonly #made: NewFile;

  constructor(path: string, bytes: number, replace: boolean) {
    this.#made = new NewFile(path, replace);
    try {
      this.#made.resize(bytes);
    } catch (error) {
      this.#made.discard();
      throw error;
    }
  }

  get file(): OpenFile {
    return this.#made.file;
  }

  begin(): void {
    // Until it is finished it has no name of its own.
  }

  put(data: Buffer, offset: number): void {
    for (const { start, end, isZero } of partsOf(data))
      if (!isZero) this.file.writeFull(data.subarray(start, end), offset + start);
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
      return new DeviceOutput(device, bytes, syscalls);
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
  return new FileOutput(path, bytes, force);
};
