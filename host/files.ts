/** Files with their paths, and reads and writes that are never short. */

import type { BigIntStats } from 'node:fs';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { EIO, errnoOf, RefusalError, SystemError, withErrno } from './errors.js';
import type { Syscalls } from './syscalls.js';

/** ioctl for the size of a block device, in bytes as a u64. */
const BLKGETSIZE64 = 0x80081272;

/** An open file and the path by which it was named. */
export class OpenFile {
  readonly path: string;
  readonly fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /**
   * Opens an existing file.
   *
   * @param flags `r` or `r+`
   * @throws SystemError if it cannot be opened
   */
  static open(path: string, flags: 'r' | 'r+'): OpenFile {
    return new OpenFile(
      path,
      withErrno('open', path, () => openSync(path, flags)),
    );
  }

  /**
   * Opens the same file once more, with O_DIRECT: reads and writes pass the page cache.
   *
   * @returns undefined where there is no such thing
   */
  reopenDirect(access: 'read' | 'write'): OpenFile | undefined {
    const flags = (access === 'read' ? constants.O_RDONLY : constants.O_WRONLY) | constants.O_DIRECT;
    try {
      // By its descriptor: the path may name another file by now.
      return new OpenFile(this.path, openSync(`/proc/self/fd/${this.fd}`, flags));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /** Makes a file, or empties one, readable and writable by its owner only. */
  static create(path: string): OpenFile {
    return new OpenFile(
      path,
      withErrno('make', path, () => openSync(path, 'w+', 0o600)),
    );
  }

  stat(): BigIntStats {
    return withErrno('stat', this.path, () => fstatSync(this.fd, { bigint: true }));
  }

  /**
   * Makes sure that it is something that has content at offsets.
   *
   * @throws RefusalError IMAGE_KIND
   */
  requireContent(): BigIntStats {
    const stat = this.stat();
    if (stat.isFile() || stat.isBlockDevice()) return stat;
    throw new RefusalError('IMAGE_KIND', `Cannot use ${this.path}: expected a regular file or a block device`);
  }

  /** Size of a block device in bytes. */
  blockDeviceBytes(syscalls: Syscalls): number {
    const argument = Buffer.alloc(8);
    syscalls.ioctl(this.fd, BLKGETSIZE64, argument, this.path);
    return Number(argument.readBigUInt64LE(0));
  }

  /**
   * Size of a regular file or a block device, in bytes.
   *
   * @throws RefusalError IMAGE_KIND
   */
  bytes(syscalls: Syscalls): number {
    const stat = this.requireContent();
    return stat.isBlockDevice() ? this.blockDeviceBytes(syscalls) : Number(stat.size);
  }

  /** What was written is on disk when this returns. */
  sync(): void {
    withErrno('sync', this.path, () => fsyncSync(this.fd));
  }

  /**
   * Reads until `target` is full or the file ends.
   *
   * @param offset where to start, in bytes
   * @returns bytes read; fewer than `target` has only at the end of the file
   * @throws SystemError if a read fails
   */
  read(target: Uint8Array, offset: number): number {
    let done = 0;
    while (done < target.length) {
      const got = withErrno('read', this.path, () =>
        readSync(this.fd, target, done, target.length - done, offset + done),
      );
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  /** Reads until `target` is full. An end of the file before that is an EIO. */
  readFull(target: Uint8Array, offset: number): void {
    if (this.read(target, offset) < target.length) throw new SystemError(EIO, 'read', this.path);
  }

  /** Writes all of `source`. */
  writeFull(source: Uint8Array, offset: number): void {
    let done = 0;
    while (done < source.length) {
      done += withErrno('write', this.path, () =>
        writeSync(this.fd, source, done, source.length - done, offset + done),
      );
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
