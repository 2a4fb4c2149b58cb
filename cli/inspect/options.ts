/** Options that the sub-commands of datto-inspect share, and how they open a file. */
import type { OriginSize } from '../../host/inspect/geometry.js';
import { assumption } from '../../host/inspect/geometry.js';
import { InspectedCow, withFiles } from '../../host/inspect/inspected-cow.js';
import { originOfImage } from '../../host/inspect/origin-size.js';
import { BLOCK_SECTORS, SECTOR_BYTES } from '../../host/layout.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import type { Streams } from '../terminal/terminal.js';
import type { VerbosityOptions } from '../terminal/verbosity.js';

export interface CommonOptions extends VerbosityOptions {
  readonly json?: boolean;
  readonly blocks?: number;
  readonly originSize?: number;
  readonly image?: string;
  readonly allowUnclean?: boolean;
}

export const syscalls = nativeSyscalls();

/** The origin's size, if an option gives it. */
export const originOf = ({ blocks, originSize, image }: CommonOptions): OriginSize | undefined => {
  if (blocks !== undefined) return { sectors: blocks * BLOCK_SECTORS, source: '--blocks' };
  if (originSize !== undefined) return { sectors: originSize / SECTOR_BYTES, source: '--origin-size' };
  return image === undefined ? undefined : withFiles([image], (file) => originOfImage(file, syscalls));
};

/** Opens a file, gives it to `run`, and closes it. */
export const withCow = <T>(
  path: string,
  options: CommonOptions,
  run: (cow: InspectedCow) => T,
  origin = originOf(options),
): T => withFiles([path], (file) => run(InspectedCow.of(file, syscalls, origin)));

export const listOptions = ({ allowUnclean = false }: CommonOptions): { readonly allowUnclean: boolean } => ({
  allowUnclean,
});

/** Prints what had to be assumed on standard error, where standard output has data only. */
export const noteAssumption = ({ answer }: InspectedCow, { quiet }: CommonOptions, streams: Streams): void => {
  if (quiet === true) return;
  const assumed = assumption(answer);
  if (assumed !== undefined) streams.err(`datto-inspect: note: ${assumed}\n`);
};

/** Geometry for programs. */
export const geometryJson = (cow: InspectedCow): unknown => {
  const { geometry, basis } = cow.answer;
  return {
    sections: geometry?.nrSections,
    data_offset: geometry?.dataOffset,
    origin_blocks: geometry && cow.nrBlocks(),
    origin_size_known: geometry?.exact ?? false,
    basis,
    assumed: assumption(cow.answer),
  };
};
