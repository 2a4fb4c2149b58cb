/**
 * The system calls that Node has no function for: the only file that knows the foreign function interface.
 *
 * It is loaded at the first call, since most runs of a tool end before one.
 */
import { createRequire } from 'node:module';
import { EAGAIN, ENXIO, SystemError } from './errors.js';

/** System calls behind one interface, so that tests can stand in for the kernel. All failures are SystemErrors. */
export interface Syscalls {
  /**
   * ioctl(2).
   *
   * @param fd an open file
   * @param request the command
   * @param argument bytes of the argument, read and written by the kernel
   * @param subject what the file is, for the error
   */
  ioctl(fd: number, request: number, argument: Buffer, subject: string): void;

  /** Address of bytes, for a pointer in an ioctl's argument. The caller keeps them alive until the call is over. */
  addressOf(bytes: Buffer): bigint;

  /** posix_fadvise(2) with POSIX_FADV_WILLNEED. Advice: failures are ignored. */
  adviseWillNeed(fd: number, offset: number, bytes: number): void;

  /**
   * lseek(2) with SEEK_DATA.
   *
   * @returns offset of the next data at or after `offset`, in bytes; undefined if there is none
   */
  nextData(fd: number, offset: number, subject: string): number | undefined;

  /** fallocate(2): a hole of zeros, the file's size kept. */
  punchHole(fd: number, offset: number, bytes: number, subject: string): void;

  /** posix_fadvise(2) with POSIX_FADV_DONTNEED: the next read comes from the disk. Failures are ignored. */
  adviseDontNeed(fd: number): void;

  /**
   * flock(2), exclusive and without waiting.
   *
   * @returns false if another process has the lock
   */
  lock(fd: number, subject: string): boolean;

  /** ioctl FICLONE: the whole of `source` becomes the content of `target`, sharing its blocks. */
  clone(target: number, source: number, subject: string): void;
}

const POSIX_FADV_WILLNEED = 3;
const POSIX_FADV_DONTNEED = 4;
const SEEK_DATA = 3;
const LOCK_EX = 2;
const LOCK_NB = 4;
const FICLONE = 0x40049409;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** The calls of the C library, typed. */
interface CLibrary {
  ioctl(fd: number, request: number, argument: Buffer): number;
  /** Where the argument is a number, not a pointer. */
  ioctl_int(fd: number, request: number, argument: number): number;
  flock(fd: number, operation: number): number;
  posix_fadvise(fd: number, offset: number, bytes: number, advice: number): number;
  lseek(fd: number, offset: number, whence: number): number | bigint;
  fallocate(fd: number, mode: number, offset: number, bytes: number): number;
  address(bytes: Buffer): bigint;
  errno(): number;
}

const loadLibrary = (): CLibrary => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load(null);
  return {
    ioctl: library.func('int ioctl(int fd, unsigned long request, void *argument)') as CLibrary['ioctl'],
    ioctl_int: library.func('int ioctl(int fd, unsigned long request, long argument)') as CLibrary['ioctl_int'],
    flock: library.func('int flock(int fd, int operation)') as CLibrary['flock'],
    posix_fadvise: library.func(
      'int posix_fadvise(int fd, int64_t offset, int64_t bytes, int advice)',
    ) as CLibrary['posix_fadvise'],
    lseek: library.func('int64_t lseek(int fd, int64_t offset, int whence)') as CLibrary['lseek'],
    fallocate: library.func('int fallocate(int fd, int mode, int64_t offset, int64_t bytes)') as CLibrary['fallocate'],
    address: (bytes) => BigInt(koffi.address(bytes)),
    errno: () => koffi.errno(),
  };
};

/** The calls of this machine's kernel. Nothing is loaded before the first call. */
export const nativeSyscalls = (): Syscalls => {
  let loaded: CLibrary | undefined;
  const c = (): CLibrary => (loaded ??= loadLibrary());
  const fail = (call: string, subject: string): never => {
    throw new SystemError(c().errno(), call, subject);
  };
  return {
    ioctl(fd, request, argument, subject) {
      if (c().ioctl(fd, request, argument) < 0) fail('control', subject);
    },
    addressOf: (bytes) => c().address(bytes),
    adviseWillNeed(fd, offset, bytes) {
      c().posix_fadvise(fd, offset, bytes, POSIX_FADV_WILLNEED);
    },
    nextData(fd, offset, subject) {
      const found = Number(c().lseek(fd, offset, SEEK_DATA));
      if (found >= 0) return found;
      return c().errno() === ENXIO ? undefined : fail('seek data in', subject);
    },
    punchHole(fd, offset, bytes, subject) {
      if (c().fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes) < 0) {
        fail('punch a hole into', subject);
      }
    },
    adviseDontNeed(fd) {
      c().posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    },
    lock(fd, subject) {
      if (c().flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
      return c().errno() === EAGAIN ? false : fail('lock', subject);
    },
    clone(target, source, subject) {
      if (c().ioctl_int(target, FICLONE, source) < 0) fail('clone', subject);
    },
  };
};
