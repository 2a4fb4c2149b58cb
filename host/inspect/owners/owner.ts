/** The owner of a block of a filesystem, and the type of the functions that report owners. */
import type { BlockRun } from '../../cow/runs.js';
import type { Filesystem } from './filesystem.js';
import type { OwnerName } from './owner-names.js';

/**
 * What a block of the filesystem is for. `free`: nothing, by now. `metadata`: the filesystem itself, or the journal.
 */
export type OwnerKind = 'file' | 'metadata' | 'free';

/** Its name is the path from the filesystem's root, or the kind of metadata; undefined if none was found. */
export interface BlockOwner extends OwnerName {
  readonly kind: OwnerKind;
  /** Number of the inode, of a file. */
  readonly inode: number | undefined;
}

/** Takes some blocks of the filesystem, and what they are for. */
export type TakeOwned = (owner: BlockOwner, run: BlockRun) => void;

/** Reports the owner of some blocks of `runs`, each block once; what is left out is free. */
export type OwnerSource = (
  imagePath: string,
  filesystem: Filesystem,
  runs: readonly BlockRun[],
  take: TakeOwned,
) => void;

/** The same for all blocks of one owner, and for no other. */
export const ownerKey = ({ kind, inode, name, nameBase64 }: BlockOwner): string =>
  `${kind} ${inode ?? ''} ${nameBase64 ?? ''} ${name ?? ''}`;
