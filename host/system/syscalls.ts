/**
 * The system calls that Node has no function for: the only file that uses the foreign function interface.
 *
 * That is loaded at the first call: most runs of a tool end before one.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { EAGAIN, ECHILD, ECONNREFUSED, EINTR, ENAMETOOLONG, ENOENT, ENOSYS, ENXIO, SystemError } from '../errors.js';

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

  /** madvise(2) with MADV_HUGEPAGE. Advice: failures are ignored. */
  adviseHugePages(memory: Buffer): void;

  /** posix_fadvise(2) with POSIX_FADV_WILLNEED. Advice: failures are ignored. */
  adviseWillNeed(fd: number, offset: number, bytes: number): void;

  /** posix_fadvise(2) with POSIX_FADV_RANDOM: nothing is read ahead. Failures are ignored. */
  adviseRandom(fd: number): void;

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
   * flock(2), without waiting. An exclusive lock is for who writes: network filesystems have none for a descriptor that
   * only reads, nor a shared one for a descriptor that does not.
   *
   * @returns false if another process has the lock
   */
  lock(fd: number, subject: string, kind: 'exclusive' | 'shared'): boolean;

  /**
   * pipe2(2): both ends are closed when another program is executed.
   *
   * @param subject what it is for, in the error
   * @returns descriptors: to read from, and to write to
   */
  pipe(subject: string): readonly [read: number, write: number];

  /**
   * Connects to a unix socket, with calls that wait.
   *
   * @returns the socket; undefined if nothing listens there
   */
  connect(path: string): number | undefined;

  /**
   * waitid(2): whether a child of this process has ended; Node still learns of it.
   *
   * @param wait until it has
   */
  hasEnded(pid: number, wait: boolean): boolean;

  /**
   * unshare(2): what this thread and its children mount from now on exists for them only, and goes with the last of them.
   * Mounts that are there remain so (mount_namespaces(7)).
   *
   * @returns goes back to the mounts of before (setns(2))
   */
  unshareMounts(): () => void;

  /**
   * Makes a context of the kernel's asynchronous I/O (io_setup(2)).
   *
   * @param depth operations in flight at most
   * @param subject what the context is for, in the error
   * @returns the context, for the calls below
   */
  ioSetup(depth: number, subject: string): bigint;

  /**
   * io_submit(2).
   *
   * @param blocks addresses of struct iocb, u64 each
   * @returns the number of submitted ones; below zero a negative errno of the first
   */
  ioSubmit(context: bigint, blocks: Buffer, count: number): number;

  /**
   * io_getevents(2), without a time limit.
   *
   * @param events room for struct io_event, 32 bytes each
   * @param least number to wait for
   * @returns number of events
   */
  ioGetEvents(context: bigint, least: number, events: Buffer, subject: string): number;

  /**
   * io_destroy(2): waits for operations in flight.
   *
   * @param isIdle nothing is in flight: a thread makes the call, which takes tens of milliseconds all the same
   */
  ioDestroy(context: bigint, isIdle: boolean): void;

  /** ioctl FICLONE: the whole of `source` becomes the content of `target`, sharing its blocks. */
  clone(target: number, source: number, subject: string): void;
}

const MADV_HUGEPAGE = 14;
const POSIX_FADV_RANDOM = 1;
const POSIX_FADV_WILLNEED = 3;
const POSIX_FADV_DONTNEED = 4;
const SEEK_DATA = 3;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const IO_EVENT_BYTES = 32;
/** Numbers of system calls that the C library has no functions for. */
const IO_CALLS: Readonly<Record<string, { setup: number; destroy: number; getevents: number; submit: number }>> = {
  x64: { setup: 206, destroy: 207, getevents: 208, submit: 209 },
  arm64: { setup: 0, destroy: 1, getevents: 4, submit: 2 },
};
const O_CLOEXEC = 0x80000;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** Bytes of struct sockaddr_un, and of the path in it with its NUL. */
const UNIX_ADDRESS = { bytes: 110, path: 108 };
const P_PID = 1;
/** waitid(2): children that ended, left for a later wait. */
const WEXITED = 4;
const WNOHANG = 1;
const WNOWAIT = 0x01000000;
/** Bytes of siginfo_t; its first field is the signal, 0 if nothing has happened. */
const SIGINFO_BYTES = 128;
const CLONE_NEWNS = 0x20000;
const FICLONE = 0x40049409;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** The calls of the C library, typed. */
interface CLibrary {
  ioctl(fd: number, request: number, argument: Buffer): number;
  /** Where the argument is a number, not a pointer. */
  ioctl_int(fd: number, request: number, argument: number): number;
  flock(fd: number, operation: number): number;
  pipe2(ends: Buffer, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  connect(fd: number, address: Buffer, bytes: number): number;
  close(fd: number): number;
  unshare(flags: number): number;
  setns(fd: number, kind: number): number;
  fchdir(fd: number): number;
  chroot(path: string): number;
  waitid(kind: number, pid: number, info: Buffer, options: number): number;
  madvise(memory: Buffer, bytes: number, advice: number): number;
  posix_fadvise(fd: number, offset: number, bytes: number, advice: number): number;
  lseek(fd: number, offset: number, whence: number): number | bigint;
  fallocate(fd: number, mode: number, offset: number, bytes: number): number;
  /** A system call by its number; all arguments are passed, whatever it takes. */
  syscall: {
    (number: number, a: number | bigint, b: number | bigint, c: number | bigint, d: bigint, e: bigint): number;
    async(number: number, a: bigint, b: number, c: number, d: bigint, e: bigint, onOver: () => void): void;
  };
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
    pipe2: library.func('int pipe2(void *ends, int flags)') as CLibrary['pipe2'],
    socket: library.func('int socket(int domain, int type, int protocol)') as CLibrary['socket'],
    connect: library.func('int connect(int fd, const void *address, uint32_t bytes)') as CLibrary['connect'],
    close: library.func('int close(int fd)') as CLibrary['close'],
    waitid: library.func('int waitid(int kind, uint32_t pid, void *info, int options)') as CLibrary['waitid'],
    unshare: library.func('int unshare(int flags)') as CLibrary['unshare'],
    setns: library.func('int setns(int fd, int kind)') as CLibrary['setns'],
    fchdir: library.func('int fchdir(int fd)') as CLibrary['fchdir'],
    chroot: library.func('int chroot(const char *path)') as CLibrary['chroot'],
    madvise: library.func('int madvise(void *memory, size_t bytes, int advice)') as CLibrary['madvise'],
    posix_fadvise: library.func(
      'int posix_fadvise(int fd, int64_t offset, int64_t bytes, int advice)',
    ) as CLibrary['posix_fadvise'],
    lseek: library.func('int64_t lseek(int fd, int64_t offset, int whence)') as CLibrary['lseek'],
    fallocate: library.func('int fallocate(int fd, int mode, int64_t offset, int64_t bytes)') as CLibrary['fallocate'],
    syscall: library.func(
      'long syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)',
    ) as CLibrary['syscall'],
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
    adviseHugePages(memory) {
      c().madvise(memory, memory.length, MADV_HUGEPAGE);
    },
    adviseWillNeed(fd, offset, bytes) {
      c().posix_fadvise(fd, offset, bytes, POSIX_FADV_WILLNEED);
    },
    adviseRandom(fd) {
      c().posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
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
    lock(fd, subject, kind) {
      if (c().flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
      return c().errno() === EAGAIN ? false : fail('lock', subject);
    },
    pipe(subject) {
      const ends = Buffer.alloc(8);
      if (c().pipe2(ends, O_CLOEXEC) < 0) fail('make a pipe for', subject);
      return [ends.readInt32LE(0), ends.readInt32LE(4)];
    },
    connect(path) {
      const name = Buffer.from(path);
      if (name.length >= UNIX_ADDRESS.path) throw new SystemError(ENAMETOOLONG, 'connect to', path);
      const address = Buffer.alloc(UNIX_ADDRESS.bytes);
      address.writeUInt16LE(AF_UNIX, 0);
      name.copy(address, 2);
      const fd = c().socket(AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0);
      if (fd < 0) fail('connect to', path);
      if (c().connect(fd, address, address.length) === 0) return fd;
      const errno = c().errno();
      c().close(fd);
      if (errno === ENOENT || errno === ECONNREFUSED) return undefined;
      throw new SystemError(errno, 'connect to', path);
    },
    hasEnded(pid, wait) {
      const info = Buffer.alloc(SIGINFO_BYTES);
      for (;;) {
        if (c().waitid(P_PID, pid, info, WEXITED | WNOWAIT | (wait ? 0 : WNOHANG)) === 0)
          return info.readInt32LE(0) !== 0;
        const errno = c().errno();
        // Node has heard of its end.
        if (errno === ECHILD) return true;
        if (errno !== EINTR) throw new SystemError(errno, 'wait for', `process ${pid}`);
      }
    },
    unshareMounts() {
      const own = openSync('/proc/self/ns/mnt', 'r');
      const folder = process.cwd();
      // A process that was changed to another root would find itself in that of the namespace.
      const root = openSync('/', 'r');
      if (c().unshare(CLONE_NEWNS) < 0) fail('unshare', 'the mounts of this process');
      return () => {
        if (c().setns(own, CLONE_NEWNS) < 0) fail('return to', 'the mounts of before');
        if (c().fchdir(root) < 0 || c().chroot('.') < 0) fail('return to', 'the root of before');
        for (const fd of [own, root]) closeSync(fd);
        process.chdir(folder);
      };
    },
    ioSetup(depth, subject) {
      const number = IO_CALLS[process.arch]?.setup;
      if (number === undefined) throw new SystemError(ENOSYS, 'set up asynchronous I/O for', subject);
      const context = Buffer.alloc(8);
      if (c().syscall(number, depth, c().address(context), 0, 0n, 0n) < 0) fail('set up asynchronous I/O for', subject);
      return context.readBigUInt64LE();
    },
    ioSubmit(context, blocks, count) {
      const done = c().syscall(IO_CALLS[process.arch]?.submit ?? -1, context, count, c().address(blocks), 0n, 0n);
      return done < 0 ? -c().errno() : done;
    },
    ioGetEvents(context, least, events, subject) {
      const number = IO_CALLS[process.arch]?.getevents ?? -1;
      for (;;) {
        const got = c().syscall(number, context, least, events.length / IO_EVENT_BYTES, c().address(events), 0n);
        if (got >= 0) return got;
        if (c().errno() !== EINTR) fail('wait for asynchronous I/O on', subject);
      }
    },
    ioDestroy(context, isIdle) {
      const number = IO_CALLS[process.arch]?.destroy ?? -1;
      if (isIdle) c().syscall.async(number, context, 0, 0, 0n, 0n, () => undefined);
      else c().syscall(number, context, 0, 0, 0n, 0n);
    },
    clone(target, source, subject) {
      if (c().ioctl_int(target, FICLONE, source) < 0) fail('clone', subject);
    },
  };
};
