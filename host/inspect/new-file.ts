/** A file that appears under its name when it is whole, or not at all. */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf, RefusalError, withErrno } from '../errors.js';

const EEXIST = 17;

const existsError = (path: string): RefusalError =>
  new RefusalError('OUTPUT_EXISTS', `Cannot write ${path}: it exists, expected a new file or to be told to replace it`);

const requireFree = (path: string, replace: boolean): void => {
  const there = withErrno('look at', path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (!there) return;
  if (!replace) throw existsError(path);
  if (there.isFile()) return;
  throw new RefusalError('IMAGE_KIND', `Cannot replace ${path}: it is something else, expected a regular file`);
};

/** A file under a name of its own beside the final one, until it is finished. */
export class NewFile {
  readonly path: string;
  readonly #replace: boolean;
  readonly #partial: string;
  #fd: number | undefined;

  /**
   * @param replace a regular file that is there under that name may be replaced
   * @param mode who may do what, less the process's mask
   * @throws RefusalError OUTPUT_EXISTS, IMAGE_KIND; SystemError
   */
  constructor(path: string, replace: boolean, mode = 0o666) {
    requireFree(path, replace);
    this.path = path;
    this.#replace = replace;
    this.#partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
    this.#fd = withErrno('create', path, () => openSync(this.#partial, 'wx', mode));
  }

  get #open(): number {
    if (this.#fd === undefined) throw new Error(`${this.path} is finished`);
    return this.#fd;
  }

  /** Sets the size; what was not written is a hole. */
  resize(bytes: number): void {
    withErrno('write', this.path, () => ftruncateSync(this.#open, bytes));
  }

  write(source: Uint8Array, offset: number): void {
    let done = 0;
    while (done < source.length) {
      done += withErrno('write', this.path, () =>
        writeSync(this.#open, source, done, source.length - done, offset + done),
      );
    }
  }

  /**
   * Brings the file to disk and gives it its name.
   *
   * @throws RefusalError OUTPUT_EXISTS if somebody made one meanwhile; SystemError
   */
  finish(): void {
    withErrno('sync', this.path, () => fsyncSync(this.#open));
    this.#close();
    try {
      this.#giveName();
    } catch (error) {
      unlinkSync(this.#partial);
      throw error;
    }
    syncFolder(dirname(this.path));
  }

  /** Removes what was written, unless the file is finished. */
  discard(): void {
    if (this.#fd === undefined) return;
    this.#close();
    unlinkSync(this.#partial);
  }

  #close(): void {
    closeSync(this.#open);
    this.#fd = undefined;
  }

  #giveName(): void {
    if (!this.#replace) {
      try {
        // A link, unlike a rename, never replaces what somebody else made meanwhile.
        linkSync(this.#partial, this.path);
        unlinkSync(this.#partial);
        return;
      } catch (error) {
        if (errnoOf(error) === EEXIST) throw existsError(this.path);
        // A filesystem without links is left with the check at the start.
      }
    }
    withErrno('rename', this.path, () => renameSync(this.#partial, this.path));
  }
}

const syncFolder = (path: string): void => {
  const fd = withErrno('open', path, () => openSync(path, 'r'));
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some filesystems cannot sync a folder.
    if (errnoOf(error) === undefined) throw error;
  } finally {
    closeSync(fd);
  }
};

/**
 * Writes a file in one go.
 *
 * @throws RefusalError OUTPUT_EXISTS; SystemError
 */
export const writeNewFile = (path: string, data: Uint8Array, replace: boolean): void => {
  const file = new NewFile(path, replace);
  try {
    file.write(data, 0);
    file.finish();
  } catch (error) {
    file.discard();
    throw error;
  }
};
