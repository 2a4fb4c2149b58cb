/** The filesystem of a restore point, mounted read-only. */
import { constants, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RefusalError, withErrno } from '../errors.js';
import { detectFilesystem } from '../inspect/owners/filesystem.js';
import { kindOf, OpenFile } from '../system/files.js';
import type { Program } from '../system/program.js';
import { runProgram } from '../system/program.js';
import type { Syscalls } from '../system/syscalls.js';
import type { OpenPoint } from './point.js';
import { PointServer, UMOUNT } from './server.js';

const MOUNT: Program = { name: 'mount', package: 'mount' };
/** Nothing in a point gets rights here, and nothing is written to it. */
const COMMON = ['loop', 'ro', 'nosuid', 'nodev'];
/** A snapshot has a clean log: it is neither read nor written. A filesystem's own wish to stop the machine counts for nothing. */
const OPTIONS = {
  ext4: [...COMMON, 'noload', 'errors=continue'],
  xfs: [...COMMON, 'norecovery', 'nouuid'],
} as const;

const typeOf = (path: string, label: string): keyof typeof OPTIONS => {
  const file = OpenFile.openWith(path, constants.O_RDONLY, label);
  try {
    return detectFilesystem(file).type;
  } finally {
    file.close();
  }
};

const makeFolder = (): string =>
  withErrno('make a folder in', tmpdir(), () => mkdtempSync(join(tmpdir(), 'datto-restore-')));

/** Serves a point and mounts its filesystem on a folder. The server's file has its name until it is unmounted. */
const mountOn = (opened: OpenPoint, scratch: string, folder: string, syscalls: Syscalls): PointServer => {
  // What is open already need not be served for that.
  const known = opened.held && detectFilesystem(opened.held).type;
  const server = new PointServer(opened, scratch, syscalls);
  try {
    const type = known ?? typeOf(server.path, opened.label);
    runProgram(MOUNT, ['-t', type, '-o', OPTIONS[type].join(','), server.path, folder], '');
    return server;
  } catch (error) {
    server.unmount();
    server.waitForEnd();
    server.release();
    throw error;
  }
};

/**
 * Makes sure that a filesystem can be mounted on a folder.
 *
 * @throws RefusalError IMAGE_KIND; SystemError
 */
const requireEmptyFolder = (path: string): void => {
  const stat = withErrno('mount on', path, () => lstatSync(path, { bigint: true }));
  const refuse = (what: string): RefusalError =>
    new RefusalError('IMAGE_KIND', `cannot mount on ${path}: it is ${what}, expected an empty folder`);
  if (!stat.isDirectory()) throw refuse(kindOf(stat));
  if (withErrno('read', path, () => readdirSync(path)).length > 0) throw refuse('not empty');
};

/**
 * Mounts the filesystem of a point on a folder. It stays until it is unmounted, by whatever program; its server ends then.
 *
 * @param folder an empty one
 * @throws RefusalError FILESYSTEM_UNKNOWN, IMAGE_KIND, PROGRAM_MISSING, PROGRAM_FAILED; SystemError
 */
export const mountPoint = (opened: OpenPoint, folder: string, syscalls: Syscalls): void => {
  requireEmptyFolder(folder);
  const scratch = makeFolder();
  try {
    const server = mountOn(opened, scratch, resolve(folder), syscalls);
    server.release();
    opened.release?.();
    // The loop device has the file open.
    server.unmount();
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

/**
 * Mounts the filesystem of a point where no other process sees it, for as long as `use` runs, however this process ends.
 *
 * @param use takes the folder that it is mounted on
 * @throws what mountPoint() and `use` throw
 */
export const withPrivateMount = (opened: OpenPoint, syscalls: Syscalls, use: (root: string) => void): void => {
  const scratch = makeFolder();
  try {
    const goBack = syscalls.unshareMounts();
    try {
      runProgram(MOUNT, ['--make-rslave', '/'], '');
      // All that follows is in this mount, and goes with it.
      runProgram(MOUNT, ['-t', 'tmpfs', '-o', 'mode=0700,size=1m', 'datto-restore', scratch], '');
      mountIn(opened, scratch, syscalls, use);
    } finally {
      goBack();
    }
  } finally {
    withErrno('remove', scratch, () => rmdirSync(scratch));
  }
};

const mountIn = (opened: OpenPoint, scratch: string, syscalls: Syscalls, use: (root: string) => void): void => {
  const root = join(scratch, 'root');
  withErrno('make', root, () => mkdirSync(root));
  const server = mountOn(opened, scratch, root, syscalls);
  try {
    use(root);
  } finally {
    runProgram(UMOUNT, ['--lazy', root], '');
    server.unmount();
    server.waitForEnd();
    server.release();
  }
};
