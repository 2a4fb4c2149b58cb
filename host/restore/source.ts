/** Addresses of what can be restored. The only place that knows the kinds of sources. */
import type { BigIntStats } from 'node:fs';
import { statSync } from 'node:fs';
import { namesIn } from '../backup/folder.js';
import { RefusalError, withErrno } from '../errors.js';
import { followOwnLinks } from '../image/open-image.js';
import { kindOf } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import { isChunkAddress } from '../targets/chunks/address.js';
import { ADDRESS_EXPECTED } from '../targets/open-target.js';
import { hasPoints, Qcow2Target } from '../targets/qcow2.js';
import { isRbdAddress } from '../targets/rbd/address.js';
import { RbdTarget } from '../targets/rbd/target.js';
import { isSshAddress } from '../targets/ssh/address.js';
import { SshTarget } from '../targets/ssh/target.js';
import { ChunksSource } from './chunks-source.js';
import { ImageSource } from './image-source.js';
import type { OpenPoint, RestorePoint, Source } from './point.js';
import { TargetSource } from './target-source.js';

/** Points in a folder, whose files may have been lost or written by others. */
const ofFolder = (target: Qcow2Target | SshTarget): Source =>
  new TargetSource(
    target,
    (point) => target.fault(point),
    () => target.lost(),
  );

/** A folder may have both an image of former times and restore points. */
class FolderSource implements Source {
  readonly address: string;
  readonly #parts: readonly Source[];

  constructor(folder: string, syscalls: Syscalls) {
    this.address = folder;
    const { replaced, image } = namesIn(folder);
    const parts: Source[] = [new ImageSource(folder, [replaced, image], syscalls)];
    if (hasPoints(folder)) {
      const target = new Qcow2Target(folder, syscalls);
      parts.push(ofFolder(target));
    }
    this.#parts = parts;
  }

  points(onNotice: (text: string) => void): RestorePoint[] {
    return this.#parts.flatMap((part) => part.points(onNotice));
  }

  open(point: RestorePoint): OpenPoint {
    const isOf = (part: Source): boolean => part.points(() => undefined).some(({ name }) => name === point.name);
    const part = [...this.#parts].reverse().find(isOf);
    if (!part) throw new RangeError(`no point ${point.name}`);
    return part.open(point);
  }
}

const EXPECTED = `expected a folder of datto-backup, an image file, ${ADDRESS_EXPECTED}`;

const refuse = (address: string, what: string): RefusalError =>
  new RefusalError('IMAGE_KIND', `cannot restore from ${address}: it is ${what}, ${EXPECTED}`);

const ofPath = (path: string, stat: BigIntStats, syscalls: Syscalls): Source => {
  if (stat.isDirectory()) return new FolderSource(path, syscalls);
  if (stat.isFile()) return new ImageSource(path, [followOwnLinks(path)], syscalls);
  throw refuse(path, kindOf(stat));
};

/** Runs with a source, and ends its connections then. @throws what openSource() throws */
export const withSource = <T>(address: string, syscalls: Syscalls, run: (source: Source) => T): T => {
  const source = openSource(address, syscalls);
  try {
    return run(source);
  } finally {
    source.close?.();
  }
};

/**
 * Opens what a user names: a folder of datto-backup, an image file, or the address of another target.
 *
 * @throws RefusalError IMAGE_KIND; FILE_UNSAFE; SystemError
 */
export const openSource = (address: string, syscalls: Syscalls): Source => {
  if (isChunkAddress(address)) return new ChunksSource(address, syscalls);
  if (isSshAddress(address)) return ofFolder(new SshTarget(address, syscalls));
  if (isRbdAddress(address)) return new TargetSource(new RbdTarget(address, syscalls));
  const [, kind] = /^([a-z]+):(?!\/\/)/.exec(address) ?? [];
  const stat = withErrno('open', address, () =>
    statSync(address, { bigint: true, throwIfNoEntry: kind === undefined }),
  );
  if (!stat) throw refuse(address, `of an unknown kind, '${kind}:'`);
  return ofPath(address, stat, syscalls);
};
