/** Targets that are named by an address, and not by a folder. */
import { RefusalError } from '../errors.js';
import type { Syscalls } from '../system/syscalls.js';
import { isRbdAddress, rbdAddressOf } from './rbd/address.js';
import { RbdTarget } from './rbd/target.js';
import type { Target } from './target.js';

/** What begins with the name of a scheme; folders begin with a slash, or are relative. */
export const isAddress = (text: string): boolean => /^[a-z][a-z0-9]*:/.test(text);

export const ADDRESS_EXPECTED = 'rbd:POOL/IMAGE';

const unknown = (address: string): RefusalError => {
  const expected = `expected a folder, or ${ADDRESS_EXPECTED}; hint: ./${address} is a folder`;
  return new RefusalError('IMAGE_KIND', `cannot use ${address}: its kind is unknown, ${expected}`);
};

/** Why a text is no address of a target that can be opened, in words; undefined if it is one. */
export const addressFlaw = (text: string): string | undefined => {
  try {
    if (!isRbdAddress(text)) throw unknown(text);
    rbdAddressOf(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    return error.message;
  }
};

/**
 * Opens a target by its address. Nothing is changed.
 *
 * @throws RefusalError IMAGE_KIND
 */
export const openTarget = (address: string, syscalls: Syscalls): Target => {
  if (isRbdAddress(address)) return new RbdTarget(address, syscalls);
  throw unknown(address);
};
