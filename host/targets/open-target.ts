/** Targets that are named by an address, and not by a folder. */
import { RefusalError } from '../errors.js';
import { stateFolder } from '../system/state-folder.js';
import type { Syscalls } from '../system/syscalls.js';
import { chunkAddressOf, isChunkAddress, withoutPassword } from './chunks/address.js';
import { ChunkTarget } from './chunks/target.js';
import { isRbdAddress, rbdAddressOf } from './rbd/address.js';
import { RbdTarget } from './rbd/target.js';
import { isSshAddress, sshAddressOf } from './ssh/address.js';
import { SshTarget } from './ssh/target.js';
import type { Point, Target } from './target.js';

/** What begins with the name of a scheme; folders begin with a slash, or are relative. */
export const isAddress = (text: string): boolean => /^[a-z][a-z0-9]*:/.test(text);

export const ADDRESS_EXPECTED = 'ssh:HOST:/FOLDER, rbd:POOL/IMAGE, restic:REPOSITORY or borg:REPOSITORY';

/** What users named, as it may be shown, recorded and measured: without a password. */
export const shownTarget = (text: string): string => (isAddress(text) ? withoutPassword(text) : text);

const unknown = (address: string): RefusalError => {
  const shown = shownTarget(address);
  const expected = `expected a folder, or ${ADDRESS_EXPECTED}; hint: ./${shown} is a folder`;
  return new RefusalError('IMAGE_KIND', `cannot use ${shown}: its kind is unknown, ${expected}`);
};

/** Why a text is no address of a target that can be opened, in words; undefined if it is one. */
export const addressFlaw = (text: string): string | undefined => {
  try {
    if (isChunkAddress(text)) chunkAddressOf(text);
    else if (isRbdAddress(text)) rbdAddressOf(text);
    else if (isSshAddress(text)) sshAddressOf(text);
    else throw unknown(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    return error.message;
  }
};

/** A target whose points can be looked at. */
export interface PointsOf<P extends Point> {
  readonly address: string;
  points(): readonly P[];
  fault(point: P): string | undefined;
  close?(): void;
}

/** What can be done with the target of an address: it takes blocks, or an engine reads the volume for it. */
export interface OpenTarget<T> {
  readonly blocks: (target: Target) => T;
  readonly chunks: (target: ChunkTarget) => T;
}

/**
 * Opens the target of an address. Nothing is changed.
 *
 * @param filesystem id of the volume's filesystem, 32 hex digits: a repository may have points of several volumes
 * @throws RefusalError IMAGE_KIND
 */
export const openTarget = <T>(address: string, filesystem: string, syscalls: Syscalls, use: OpenTarget<T>): T => {
  if (isRbdAddress(address)) return use.blocks(new RbdTarget(address, syscalls));
  if (isSshAddress(address)) return use.blocks(new SshTarget(address, syscalls));
  if (!isChunkAddress(address)) throw unknown(address);
  return use.chunks(new ChunkTarget({ address, volume: filesystem, stateFolder: stateFolder(), syscalls }));
};
