/** Errors by meaning, and errnos in words. */
import { constants } from 'node:os';
import { ERRNO_TEXTS } from './errno-texts.js';

/** Documented reasons for which a host call refuses to continue; nothing was written. */
export type RefusalCode =
  /** The first path is not a snapshot node `/dev/datto<minor>`. */
  | 'NOT_A_SNAPSHOT'
  /** The device is not an active snapshot, or has failed. */
  | 'SNAPSHOT_UNUSABLE'
  /** The snapshot's size is outside what the core can handle. */
  | 'SNAPSHOT_SIZE'
  /** The COW file ends before its header does. */
  | 'HEADER_SHORT'
  /** The COW file has the wrong magic. */
  | 'BAD_MAGIC'
  /** The COW file belongs to another series. */
  | 'UUID_MISMATCH'
  /** The COW file is not the one that precedes the snapshot. */
  | 'SEQID_MISMATCH'
  /** The COW file was not closed cleanly, so its index may miss changes. */
  | 'NOT_CLEAN'
  /** The COW file is in snapshot mode; its index is a list of changes only after the next snapshot. */
  | 'NOT_INCREMENTAL'
  /** The COW file ends before its index does. */
  | 'INDEX_SHORT'
  /** The index lists another number of blocks than the header counts. */
  | 'COUNTER_MISMATCH'
  /** The index lists blocks beyond the end of the snapshot. */
  | 'INDEX_BEYOND_END'
  /** The image is neither a regular file nor a block device. */
  | 'IMAGE_KIND'
  /** The image's size does not fit the snapshot's. */
  | 'IMAGE_SIZE'
  /** The image is the snapshot or the COW file itself. */
  | 'IMAGE_IS_INPUT'
  /** The COW file is not a regular file. */
  | 'COW_KIND'
  /** The origin's size cannot be derived from the COW file alone. */
  | 'ORIGIN_SIZE_UNKNOWN'
  /** The origin's size that was given, or that of another file, does not fit the COW file. */
  | 'ORIGIN_SIZE_MISMATCH'
  /** The output file exists already. */
  | 'OUTPUT_EXISTS'
  /** The image does not begin with a known filesystem. */
  | 'FILESYSTEM_UNKNOWN'
  /** The request exceeds what one call handles. */
  | 'TOO_MUCH'
  /** A required program of another package is not installed. */
  | 'PROGRAM_MISSING'
  /** A program of another package failed. */
  | 'PROGRAM_FAILED'
  /** Another process is writing the image. */
  | 'IMAGE_LOCKED'
  /** The image is a block device that is mounted, or in use otherwise. */
  | 'IMAGE_BUSY'
  /** The image's state file cannot be read or is damaged. */
  | 'STATE_UNREADABLE'
  /** The image belongs to another series. */
  | 'IMAGE_SERIES'
  /** The image is another snapshot of the series than the one that the COW file starts from. */
  | 'IMAGE_SEQUENCE'
  /** The image was written by something else since its last update. */
  | 'IMAGE_CHANGED'
  /** The image's block device is not the one of the last update. */
  | 'IMAGE_OTHER_DEVICE'
  /** The image was found to differ from its snapshot where nothing was listed as changed. */
  | 'IMAGE_DIFFERS'
  /** An update was interrupted, and cannot be finished with this snapshot and COW file. */
  | 'IMAGE_INTERRUPTED'
  /** A rollback was interrupted, and must be finished first. */
  | 'ROLLBACK_INTERRUPTED'
  /** There is no previous image to go back to. */
  | 'NO_PREVIOUS'
  /** The kept previous image is damaged. */
  | 'PREVIOUS_DAMAGED'
  /** A target has no such restore point, or none at all. */
  | 'NO_POINT'
  /** A restore point has no record of its volume's disk, or a damaged one. */
  | 'NO_DISK_RECORD'
  /** There is no room to keep the previous image. */
  | 'NO_SPACE'
  /** The image has no manifest, or an invalid one. */
  | 'NO_MANIFEST'
  /** The driver is not loaded. */
  | 'NO_DRIVER'
  /** The volume is not a block device. */
  | 'VOLUME_KIND'
  /** The volume is not mounted read-write. */
  | 'VOLUME_NOT_MOUNTED'
  /** The volume's filesystem is not the one that the target has backups of. */
  | 'VOLUME_CHANGED'
  /** The folder of the images lies on the volume itself. */
  | 'FOLDER_ON_VOLUME'
  /** The folder for COW files does not lie on the volume. */
  | 'COW_FOLDER'
  /** Another backup into the folder is under way. */
  | 'BACKUP_RUNNING'
  /** The volume is tracked for another program. */
  | 'DEVICE_FOREIGN'
  /** The volume has no such target. */
  | 'NO_TARGET'
  /** The requested minor is in use. */
  | 'MINOR_TAKEN'
  /** No device has this minor. */
  | 'MINOR_UNUSED'
  /** The device has failed. */
  | 'DEVICE_FAILED'
  /** The device was announced, and its volume is not mounted yet. */
  | 'DEVICE_UNVERIFIED'
  /** A full copy is needed, and the request excludes it. */
  | 'WHOLE_COPY_NEEDED'
  /** A required file is a link, not a regular file, or owned by another user. */
  | 'FILE_UNSAFE'
  /** Another volume of the group could not be backed up, so no snapshot was taken. */
  | 'GROUP_FAILED'
  /** A hook failed or took too long, and no snapshot was taken. */
  | 'HOOK_FAILED'
  /** A configuration file is wrong. */
  | 'CONFIG_WRONG'
  /** There is no such configuration. */
  | 'CONFIG_MISSING'
  /** The file is no result of a verification. */
  | 'VERIFICATION_UNKNOWN'
  /** The core is not the one that this program was built for. */
  | 'CORE_MISMATCH';

/** A host call refused to continue, for a reason that its `code` names. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A system call failed. `errno` is positive, `call` names the call and `subject` what it was about, mostly a path. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly errno: number;
  readonly call: string;
  readonly subject: string;

  constructor(errno: number, call: string, subject: string) {
    super(`cannot ${call} ${subject}: ${errnoText(errno)}`);
    this.errno = errno;
    this.call = call;
    this.subject = subject;
  }
}

export const { EAGAIN, EBUSY, ENOBUFS, EINTR, EINVAL, EIO, ENODEV, ENOSPC, ENOSYS, ENOTDIR, ENOTTY } = constants.errno;
export const { ECHILD, ECONNREFUSED, ENAMETOOLONG, EPIPE, EPROTO } = constants.errno;
export const { ECANCELED, EEXIST, ELOOP, EMLINK, EPERM, ENXIO, ERANGE, EOPNOTSUPP, ENOENT, EXDEV } = constants.errno;

/**
 * Text of an errno, as strerror(3) gives it in the C locale.
 *
 * @param errno positive errno
 */
export const errnoText = (errno: number): string => ERRNO_TEXTS[errno] ?? `Unknown error ${errno}`;

/** What an error of a device means, where that is more than its errno's text. */
const DEVICE_ERRORS: Readonly<Record<number, string>> = {
  2: 'COW file not found',
  5: 'I/O error on the origin or the COW file',
  11: 'origin written to while the checkpoint was read, a full backup is needed',
  12: 'out of memory',
  16: 'origin in use by another request, or writes intercepted by another module',
  18: 'log of the filesystem on another device, writes elsewhere would go unnoticed; a full backup is needed',
  19: 'origin gone, or without a filesystem that can be reloaded',
  22: 'COW file refused',
  27: 'COW file full',
  28: 'no space to grow the COW file',
  34: 'origin resized since the checkpoint, a full backup is needed',
  74: 'checkpoint damaged, a full backup is needed',
  78: 'COW file moved since the checkpoint, a full backup is needed',
  108: 'ended by a destroy that was killed, destroy it again',
  110: 'writes did not end in time, a full backup is needed',
  114: 'origin tracked by another device already',
  116: 'origin resized or changed while nobody tracked it, or the COW file moved or overwritten; a full backup is needed',
  117: 'no checkpoint in the COW file, a full backup is needed',
  124: 'COW file of the other mode',
  131: 'core trapped',
  524: 'COW file cannot be mapped',
};

/**
 * Plain words for the error of a device.
 *
 * @param error negative errno from /proc/datto-info or the info ioctl
 */
export const deviceErrorText = (error: number): string => DEVICE_ERRORS[-error] ?? errnoText(-error);

const isErrnoException = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'errno' in error;

/**
 * The errno that an error carries.
 *
 * @returns positive errno, or undefined if the error is not one of a system call
 */
export const errnoOf = (error: unknown): number | undefined => {
  if (error instanceof SystemError) return error.errno;
  if (isErrnoException(error) && typeof error.errno === 'number') return Math.abs(error.errno);
  return undefined;
};

/**
 * Runs a call of node:fs; its failure becomes a SystemError.
 *
 * @param call what is being done, a verb
 * @param subject to what, mostly a path
 * @throws SystemError if the call fails with an errno; other errors pass
 */
export const withErrno = <T>(call: string, subject: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof SystemError) throw error;
    throw new SystemError(errno, call, subject);
  }
};
