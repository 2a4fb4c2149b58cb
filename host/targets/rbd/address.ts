/** Addresses of images in a Ceph cluster, as qemu-img takes them: `rbd:pool/image[:id=CLIENT][:conf=FILE]`. */
import { RefusalError } from '../../errors.js';

export interface RbdAddress {
  readonly pool: string;
  readonly image: string;
  /** Name of the client without `client.`; that of the configuration if left out. */
  readonly id?: string;
  /** Path of the cluster's configuration; CEPH_CONF or the usual one if left out. */
  readonly conf?: string;
}

/** Without characters that rbd or qemu-nbd take for something else, and no option of a command. */
const ADDRESS = /^rbd:([\w.][\w.-]*)\/([\w.][\w.-]*)((?::(?:id=[\w.-]+|conf=\/[\w./-]+))*)$/;

export const isRbdAddress = (text: string): boolean => text.startsWith('rbd:');

/**
 * Reads an address.
 *
 * @throws RefusalError IMAGE_KIND
 */
export const rbdAddressOf = (text: string): RbdAddress => {
  const [, pool, image, options = ''] = ADDRESS.exec(text) ?? [];
  if (pool === undefined || image === undefined) {
    const expected = 'expected rbd:POOL/IMAGE, with names of letters, digits, dots, dashes and underscores';
    throw new RefusalError('IMAGE_KIND', `cannot use ${text}: it is no address of an image; ${expected}`);
  }
  const found = new Map(options.split(':').map((option) => option.split('=', 2) as [string, string]));
  const [id, conf] = [found.get('id'), found.get('conf')];
  return { pool, image, ...(id === undefined ? {} : { id }), ...(conf === undefined ? {} : { conf }) };
};

/** The same for the programs of Ceph. */
export const clientOptions = ({ id, conf }: RbdAddress): string[] => [
  ...(id === undefined ? [] : ['--id', id]),
  ...(conf === undefined ? [] : ['--conf', conf]),
];
