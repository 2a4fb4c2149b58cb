/** The engine of an address, and which volumes its repository has. */
import { join } from 'node:path';
import type { Syscalls } from '../../system/syscalls.js';
import { chunkAddressOf } from './address.js';
import { BorgEngine } from './borg.js';
import type { Engine } from './engine.js';
import { ResticEngine } from './restic.js';
import { ChunkState } from './state.js';

/** How long a locked repository is waited for, in seconds. */
export const LOCK_SECONDS = 600;

/**
 * @param state folder for the engine's cache
 * @param volume in the repository
 * @throws RefusalError IMAGE_KIND
 */
export const engineOf = (address: string, state: string, volume: string, lockSeconds = LOCK_SECONDS): Engine => {
  const { engine, repository } = chunkAddressOf(address);
  const cache = join(state, 'cache');
  return engine === 'restic'
    ? new ResticEngine(repository, cache, lockSeconds)
    : new BorgEngine(repository, cache, volume, lockSeconds);
};

/** A name that is no volume's. */
const ALL = 'all volumes';

/**
 * Names of the volumes that a repository has complete points of, in the order of their first.
 *
 * @param stateFolder of the tools
 * @throws RefusalError IMAGE_KIND, PROGRAM_MISSING, PROGRAM_FAILED, IMAGE_LOCKED; SystemError
 */
export const volumesIn = (address: string, stateFolder: string, syscalls: Syscalls): string[] => {
  const state = new ChunkState(stateFolder, address, ALL, syscalls);
  state.below('.');
  const stored = engineOf(address, state.folder, ALL).stored(undefined);
  return [...new Set(stored.filter(({ isComplete }) => isComplete).map(({ facts }) => facts.volume))];
};
