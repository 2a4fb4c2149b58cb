/** A target as a run finds it: what must hold for it, its lock, and where it takes snapshots. */
import { realpathSync } from 'node:fs';
import { RefusalError, withErrno } from '../errors.js';
import type { Syscalls } from '../system/syscalls.js';
import { isChunkAddress } from '../targets/chunks/address.js';
import type { KeepRules } from '../targets/keep.js';
import { requireKeepRules } from '../targets/keep.js';
import { addressFlaw, isAddress, openTarget, shownTarget } from '../targets/open-target.js';
import { hasPoints, Qcow2Target } from '../targets/qcow2.js';
import type { Target } from '../targets/target.js';
import { requireFilesystem, requireFolder } from './checks.js';
import { ChunksDestination } from './chunks-destination.js';
import type { Destination, Work } from './destination.js';
import { KeptMemory, namesIn, newMemory, readMemory, requireOwnFiles, withLock } from './folder.js';
import { ImageDestination } from './image-destination.js';
import { PointsDestination } from './points-destination.js';
import type { BackupRequest } from './request.js';
import type { Volume } from './volume.js';
import type { TargetName } from './volume-memory.js';

/** A target that is open. */
export interface OpenHome {
  /** Id of the filesystem that it has backups of, 32 hex digits; undefined if it has none yet. */
  readonly filesystem: string | undefined;
  /** It is for a volume, whose filesystem has this id. */
  readonly of: (filesystem: string) => Place;
}

interface Place {
  readonly target: TargetName;
  /** Makes sure that the target keeps its id. */
  readonly keepTarget: () => void;
  readonly destination: Destination;
}

export interface Home {
  /** Throws a RefusalError or a SystemError if a volume cannot be backed up there as requested. Changes nothing. */
  requireUsable(volume: Volume): void;
  /** Keeps other runs for the target out while `run` runs. */
  withLock<T>(run: () => T): T;
  open(work: Work, volume: Volume): OpenHome;
}

/** What says how backups are kept. */
type Kind = Pick<BackupRequest, 'folder' | 'keep' | 'keepPrevious' | 'manifest' | 'rate'>;

/** Restore points include what was before, and sums. */
const requirePointsOnly = ({ keepPrevious, manifest }: Kind): void => {
  const option = keepPrevious === 'undo' ? '--keep-previous' : manifest === true ? '--manifest' : undefined;
  if (option === undefined) return;
  const why = 'they include what was before, and sums';
  throw new RefusalError('CONFIG_WRONG', `cannot use ${option} with restore points (--keep): ${why}`);
};

/** One image, or restore points, in a folder. */
class FolderHome implements Home {
  readonly #kind: Kind;
  readonly #syscalls: Syscalls;
  readonly #rules: KeepRules | undefined;

  constructor(kind: Kind, syscalls: Syscalls) {
    [this.#kind, this.#syscalls] = [kind, syscalls];
    this.#rules = kind.keep === undefined ? undefined : requireKeepRules(kind.keep);
  }

  requireUsable(volume: Volume): void {
    const { folder } = this.#kind;
    requireFolder(folder, volume);
    if (this.#rules) requirePointsOnly(this.#kind);
    else if (hasPoints(folder)) {
      const hint = 'hint: --keep latest7 keeps the last seven of them, or use another folder';
      throw new RefusalError('CONFIG_WRONG', `cannot keep one image in ${folder}: it has restore points; ${hint}`);
    }
  }

  withLock<T>(run: () => T): T {
    return withLock(namesIn(this.#kind.folder), this.#syscalls, run);
  }

  open(work: Work, volume: Volume): OpenHome {
    const { folder } = this.#kind;
    const names = namesIn(folder);
    requireOwnFiles(names);
    const found = readMemory(names);
    return {
      filesystem: found?.filesystem,
      of: (filesystem) => {
        const memory = new KeptMemory(names, found ?? newMemory(filesystem));
        const address = withErrno('resolve', folder, () => realpathSync(folder));
        const rules = this.#rules;
        return {
          target: { id: memory.value.id, address },
          keepTarget: () => (found ? undefined : memory.keep()),
          destination: rules
            ? new PointsDestination(work, volume, new Qcow2Target(folder, this.#syscalls), rules, folder)
            : new ImageDestination(work, volume, names, memory),
        };
      },
    };
  }
}

/** Restore points elsewhere. */
class AddressHome implements Home {
  readonly #kind: Kind;
  readonly #syscalls: Syscalls;
  readonly #rules: KeepRules;
  /** Opened once: it may have a connection and a lock. */
  #target: Target | undefined;

  constructor(kind: Kind, syscalls: Syscalls) {
    const { folder: address, keep } = kind;
    const flaw = addressFlaw(address);
    if (flaw !== undefined) throw new RefusalError('IMAGE_KIND', flaw);
    if (keep === undefined) {
      const hint = 'hint: --keep latest7 keeps the last seven of them';
      throw new RefusalError(
        'CONFIG_WRONG',
        `cannot keep one image in ${shownTarget(address)}: it is for restore points; ${hint}`,
      );
    }
    [this.#kind, this.#syscalls, this.#rules] = [kind, syscalls, requireKeepRules(keep)];
  }

  requireUsable(volume: Volume): void {
    requirePointsOnly(this.#kind);
    requireFilesystem(volume);
    const { folder: address, rate } = this.#kind;
    if (rate === undefined || !isChunkAddress(address)) return;
    const hint = 'its engine reads the volume itself; hint: engines have options of their own for this';
    throw new RefusalError('CONFIG_WRONG', `cannot use --rate with ${shownTarget(address)}: ${hint}`);
  }

  /** Other runs for the volume wait anyway, and the target has a guard of its own against other machines. */
  withLock<T>(run: () => T): T {
    try {
      return run();
    } finally {
      this.#target?.close?.();
    }
  }

  open(work: Work, volume: Volume): OpenHome {
    const rules = this.#rules;
    return openTarget<OpenHome>(this.#kind.folder, requireFilesystem(volume), this.#syscalls, {
      blocks: (opened) => {
        this.#target ??= opened;
        const target = this.#target;
        return {
          filesystem: target.points().at(-1)?.filesystem,
          of: () => placeAt(target.address, new PointsDestination(work, volume, target, rules, undefined)),
        };
      },
      // The engine keeps each volume's points apart.
      chunks: (target) => ({
        filesystem: undefined,
        of: (filesystem) => placeAt(target.address, new ChunksDestination(work, filesystem, target, rules)),
      }),
    });
  }
}

/** A target that is known by its address. */
const placeAt = (address: string, destination: Destination): Place => ({
  target: { id: address, address },
  keepTarget: () => undefined,
  destination,
});

/**
 * The target of a request.
 *
 * @throws RefusalError IMAGE_KIND; CONFIG_WRONG if the request makes no sense for it
 */
export const homeOf = (kind: Kind, syscalls: Syscalls): Home =>
  isAddress(kind.folder) ? new AddressHome(kind, syscalls) : new FolderHome(kind, syscalls);
