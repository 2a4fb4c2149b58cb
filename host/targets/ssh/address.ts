/** Addresses of folders on another machine: `ssh:[USER@]HOST:/FOLDER`, whose datto-receive(8) keeps the points. */
import { RefusalError } from '../../errors.js';

export interface SshAddress {
  /** What ssh(1) connects to; the rest is in its configuration. */
  readonly host: string;
  /** An absolute path there. */
  readonly folder: string;
}

/** No option of ssh, and nothing that a shell takes for something else. */
const ADDRESS = /^ssh:((?:[\w.][\w.-]*@)?[\w.][\w.-]*):(\/.*)$/;

export const isSshAddress = (text: string): boolean => text.startsWith('ssh:');

/**
 * Reads an address.
 *
 * @throws RefusalError IMAGE_KIND
 */
export const sshAddressOf = (text: string): SshAddress => {
  const [, host, folder] = ADDRESS.exec(text) ?? [];
  if (host === undefined || folder === undefined) {
    const expected = 'expected ssh:[USER@]HOST:/FOLDER; hint: a port or a key goes into ~/.ssh/config';
    throw new RefusalError('IMAGE_KIND', `cannot use ${text}: it is no address of a folder elsewhere; ${expected}`);
  }
  return { host, folder };
};
