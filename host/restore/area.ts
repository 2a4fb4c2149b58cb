/** A part of a block device, written and read by offsets in it. */
import { areZeros, HOLE_BYTES } from '../copy/copy.js';
import { SystemError } from '../errors.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';

/** ioctl: zeros in a range, two u64: offset and bytes. */
const BLKZEROOUT = 0x127f;
const CLEAR_BYTES = 1048576;

/** Parts of a piece, alternately bytes to write and zeros. */
export function* partsOf(
  data: Buffer,
): Generator<{ readonly start: number; readonly end: number; readonly isZero: boolean }> {
  let [start, wasZero] = [0, false];
  for (let at = 0; at < data.length; at += HOLE_BYTES) {
    const isZero = areZeros(data.subarray(at, at + HOLE_BYTES));
    if (isZero !== wasZero && at > start) yield { start, end: at, isZero: wasZero };
    if (isZero !== wasZero) start = at;
    wasZero = isZero;
  }
  yield { start, end: data.length, isZero: wasZero };
}

export class DeviceArea {
  readonly path: string;
  readonly bytes: number;
  readonly #device: OpenFile;
  readonly #base: number;
  readonly #syscalls: Syscalls;

  /** @param base where it begins on the device, in bytes */
  constructor(device: OpenFile, base: number, bytes: number, syscalls: Syscalls, path = device.path) {
    [this.#device, this.#base, this.bytes, this.#syscalls] = [device, base, bytes, syscalls];
    this.path = path;
  }

  /** Fills `target`. */
  read(target: Buffer, offset: number): void {
    this.#requireWithin(offset, target.length);
    this.#device.readFull(target, this.#base + offset);
  }

  write(data: Buffer, offset: number): void {
    this.#requireWithin(offset, data.length);
    this.#device.writeFull(data, this.#base + offset);
  }

  /** Writes a piece; zeros as the device can do it best. */
  put(data: Buffer, offset: number): void {
    for (const { start, end, isZero } of partsOf(data)) {
      if (!isZero || !this.#zero(offset + start, end - start)) this.write(data.subarray(start, end), offset + start);
    }
  }

  /** Makes the first and the last MiB zeros: nothing is recognized there any more. */
  clearEnds(): void {
    const bytes = Math.min(CLEAR_BYTES, this.bytes);
    const zeros = Buffer.alloc(bytes);
    this.write(zeros, 0);
    this.write(zeros, this.bytes - bytes);
  }

  /** What was written is on disk when this returns. */
  sync(): void {
    this.#device.sync();
  }

  /** The next read comes from the disk. */
  forget(): void {
    this.#syscalls.adviseDontNeed(this.#device.fd);
  }

  #requireWithin(offset: number, bytes: number): void {
    if (offset < 0 || offset + bytes > this.bytes)
      throw new RangeError(`bytes ${offset} to ${offset + bytes} of ${this.path}, which has ${this.bytes}`);
  }

  /** Returns false if the device cannot do that there. */
  #zero(offset: number, bytes: number): boolean {
    this.#requireWithin(offset, bytes);
    const range = Buffer.alloc(16);
    range.writeBigUInt64LE(BigInt(this.#base + offset), 0);
    range.writeBigUInt64LE(BigInt(bytes), 8);
    try {
      this.#syscalls.ioctl(this.#device.fd, BLKZEROOUT, range, this.path);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }
}
