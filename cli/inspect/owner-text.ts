/** Names of owners of blocks, as texts. */
import type { BlockOwner } from '../../host/inspect/owners/owner.js';
import { printable, printableBytes } from '../terminal/printable.js';

/** Paths begin with a slash; nothing else does. */
export const ownerText = ({ inode, name, nameBase64 }: BlockOwner): string => {
  if (nameBase64 !== undefined) return printableBytes(Buffer.from(nameBase64, 'base64'));
  return name === undefined ? (inode === undefined ? '' : `inode ${inode}, without a name`) : printable(name);
};
