/**
 * A copy of an xfs image's metadata with an empty log.
 *
 * xfs_db refuses to report owners while the log is not replayed, as in the image of every snapshot. A replay would write to
 * the image. A filesystem that was frozen for its snapshot has all its metadata in place, and does not need its log.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withErrno } from '../../errors.js';
import { runProgram } from '../../system/program.js';
import { nativeSyscalls } from '../../system/syscalls.js';
import type { Filesystem } from './filesystem.js';

const XFS_DB = { name: 'xfs_db', package: 'xfsprogs' };
const XFS_MDRESTORE = { name: 'xfs_mdrestore', package: 'xfsprogs' };

/** Fills an internal log with zeros, which counts as empty. */
const clearLog = (path: string, { blockBytes, log }: Filesystem): void => {
  if (!log || log.count === 0) return;
  const fd = withErrno('open', path, () => openSync(path, 'r+'));
  try {
    nativeSyscalls().punchHole(fd, log.start * blockBytes, log.count * blockBytes, path);
  } finally {
    closeSync(fd);
  }
};

/**
 * Makes the copy, gives its path to `run`, and removes it.
 *
 * @param image path of the image, which is only read
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED; SystemError
 */
export const withMetadataCopy = <T>(image: string, filesystem: Filesystem, run: (path: string) => T): T => {
  const folder = withErrno('create a folder in', tmpdir(), () => mkdtempSync(join(tmpdir(), 'datto-inspect-')));
  try {
    const copy = join(folder, 'copy');
    // xfs_db splits its commands at every blank: the name has none, wherever the folder is.
    runProgram(XFS_DB, ['-r', '-f', '-c', 'metadump -o dump', image], '', folder);
    runProgram(XFS_MDRESTORE, ['dump', 'copy'], '', folder);
    rmSync(join(folder, 'dump'));
    clearLog(copy, filesystem);
    return run(copy);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
