/** Files with their paths, and reads and writes that are never short. */

import type { BigIntStats } from 'node:fs';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { EIO, ENXIO, errnoOf, RefusalError, SystemError, withErrno } from '../errors.js';
import type { Syscalls } from './syscalls.js';

/** ioctl for the size of a block device, in bytes as a u64. */
const BLKGETSIZE64 = 0x80081272;

export type Access = 'r' | 'r+';
export const ACCESS: Readonly<Record<Access, number>> = { r: constants.O_RDONLY, 'r+': constants.O_RDWR };

/** Images hold files of all users: new files are for their owner only. */
export const PRIVATE = 0o600;

/** Kinds of files from which a read may wait for another process. */
const STREAMS = new Set(['a FIFO', 'a socket']);

/** What a file is, in words. */
export const kindOf = (stat: BigIntStats): string => {
  if (stat.isFile()) return 'a regular file';
  if (stat.isDirectory()) return 'a folder';
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  return stat.isBlockDevice() ? 'a block device' : 'a character device';
};

/** `major:minor` of a device, as sysfs names it; st_rdev has them in pieces (makedev(3)). */
export const majorMinor = (device: bigint): string => {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
};

const notContent = (path: string, kind: string): RefusalError =>
  new RefusalError('IMAGE_KIND', `cannot use ${path}: it is ${kind}, expected a regular file or a block device`);

/** Whether a path leads to a socket, which cannot be opened: ENXIO, as for a device that is not there. */
export const isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() === true;

/** An open file and the path by which it was named. */
export class OpenFile {
  readonly path: string;
  readonly fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /**
   * Opens an existing file that a user names: links are followed. Files that a tool relies on are opened by safe-files.ts.
   *
   * @param call what is being done, a verb for errors
   * @throws SystemError if it cannot be opened; RefusalError IMAGE_KIND if it has no content at offsets, like a FIFO
   */
  static open(path: string, flags: Access, call = 'open'): OpenFile {
    let file: OpenFile;
    try {
      file = OpenFile.openWith(path, ACCESS[flags], path, call);
    } catch (error) {
      if (errnoOf(error) === ENXIO && isSocket(path)) throw notContent(path, 'a socket');
      throw error;
    }
    const kind = kindOf(file.stat());
    if (!STREAMS.has(kind)) return file;
    file.close();
    throw notContent(path, kind);
  }

  /**
   * Opens or makes a file.
   *
   * @param flags of open(2); no call waits, not even for a FIFO
   * @param name another path, for errors
   * @param call what is being done, a verb
   */
  static openWith(path: string, flags: number, name = path, call = 'open', mode = PRIVATE): OpenFile {
    const patient = flags | constants.O_NONBLOCK | constants.O_NOCTTY;
    return new OpenFile(
      name,
      withErrno(call, name, () => openSync(path, patient, mode)),
    );
  }

  /**
   * Opens the same file again with O_DIRECT: reads and writes bypass the page cache.
   *
   * @returns undefined if the filesystem has no O_DIRECT
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

  stat(): BigIntStats {
    return withErrno('stat', this.path, () => fstatSync(this.fd, { bigint: true }));
  }

  /**
   * Makes sure that the file has content at offsets.
   *
   * @throws RefusalError IMAGE_KIND
   */
  requireContent(): BigIntStats {
    const stat = this.stat();
    if (stat.isFile() || stat.isBlockDevice()) return stat;
    throw notContent(this.path, kindOf(stat));
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
