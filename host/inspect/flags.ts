/** The header's flags in words. */
import { COW_FLAGS } from '../layout.js';

/** Names of the flags that are set; an unknown one is named by its mask. */
export const flagNames = (flags: number): string[] => {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const mask = (1 << bit) >>> 0;
    if ((flags & mask) === 0) continue;
    names.push(COW_FLAGS.find(({ value }) => value === mask)?.name ?? `unknown 0x${mask.toString(16)}`);
  }
  return names;
};
