/** Hashes of blocks: XXH64, quick, to find rot; SHA-256, strong, to name a restore point. */

import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { builtFile } from '../built-file.js';
import { BLOCK_BYTES } from '../layout.js';

interface HashExports {
  readonly memory: WebAssembly.Memory;
  input_address(): number;
  input_bytes(): number;
  sums_address(): number;
  hash_blocks(count: number): void;
  hash_bytes(bytes: number): bigint;
}

export const SUM_BYTES = 8;
export const DIGEST_BYTES = 32;

/** XXH64 with seed 0. */
export class Xxh64 {
  readonly #exports: HashExports;
  readonly #input: Buffer;
  readonly #sums: Buffer;

  constructor(file: URL | string = builtFile('host.wasm')) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
    this.#exports = instance.exports as unknown as HashExports;
    const { memory } = this.#exports;
    const capacity = this.#exports.input_bytes();
    this.#input = Buffer.from(memory.buffer, this.#exports.input_address(), capacity);
    this.#sums = Buffer.from(memory.buffer, this.#exports.sums_address(), (capacity / BLOCK_BYTES) * SUM_BYTES);
  }

  /**
   * Hashes blocks, at most 256 of them.
   *
   * @param data a partial last block is taken as if zeros followed
   * @returns 8 bytes per block, valid until the next call
   */
  blocks(data: Uint8Array): Buffer {
    const count = Math.ceil(data.length / BLOCK_BYTES);
    this.#fill(data);
    this.#input.fill(0, data.length, count * BLOCK_BYTES);
    this.#exports.hash_blocks(count);
    return this.#sums.subarray(0, count * SUM_BYTES);
  }

  /** Hashes bytes, at most 1 MiB of them, as one. */
  bytes(data: Uint8Array): bigint {
    this.#fill(data);
    return BigInt.asUintN(64, this.#exports.hash_bytes(data.length));
  }

  #fill(data: Uint8Array): void {
    if (data.length > this.#input.length) throw new RangeError(`${data.length} bytes, expected at most 1 MiB`);
    this.#input.set(data);
  }
}

/** Node 20.12 has a function for it, a third faster. */
const oneShot = (crypto as Partial<Pick<typeof crypto, 'hash'>>).hash;

/** SHA-256 of bytes. */
export const sha256 = (data: Uint8Array): Buffer =>
  oneShot ? oneShot('sha256', data, 'buffer') : crypto.createHash('sha256').update(data).digest();

/** A partial last block, filled up with zeros; whole blocks as they are. */
export const toWholeBlocks = (data: Buffer): Buffer => {
  const missing = -data.length & (BLOCK_BYTES - 1);
  return missing === 0 ? data : Buffer.concat([data, Buffer.alloc(missing)]);
};

/** Blocks that were never used: to compare them takes a small part of the time. */
const ZEROS = Buffer.alloc(BLOCK_BYTES);
const DIGEST_OF_ZEROS = sha256(ZEROS);

/** SHA-256 of each block. `data` is whole blocks. */
export const blockDigests = (data: Buffer): Buffer => {
  const digests = Buffer.allocUnsafe((data.length / BLOCK_BYTES) * DIGEST_BYTES);
  for (let at = 0, to = 0; at < data.length; at += BLOCK_BYTES, to += DIGEST_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    (block.equals(ZEROS) ? DIGEST_OF_ZEROS : sha256(block)).copy(digests, to);
  }
  return digests;
};
