/**
 * Messages between two programs over a pair of pipes. Each has a header, a JSON object, and data:
 *
 *   u32 BE magic, u32 BE bytes of the header, u32 BE bytes of the data, header, data
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { EPROTO, SystemError, withErrno } from '../../errors.js';
import { isRecord } from '../../system/summed-json.js';

const MAGIC = 0x44545231;
const LENGTHS_BYTES = 12;
const HEADER_MAX = 64 * 1048576;
/** Longest data of one message. */
export const DATA_MAX = 1048576;

/** Shorter data is sent with its header: a call, and a packet of ssh, cost more than the copy. */
const JOINED_BYTES = 65536;

export type Header = Readonly<Record<string, unknown>>;

export interface Message {
  readonly header: Header;
  /** Valid until the next message is received. */
  readonly data: Buffer;
}

/** A message as it is sent, without its data. */
export const encoded = (header: Header, dataBytes = 0): Buffer => {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  [MAGIC, text.length, dataBytes].forEach((value, index) => lengths.writeUInt32BE(value, 4 * index));
  return Buffer.concat([lengths, text]);
};

export class Channel {
  readonly #input: number;
  readonly #output: number;
  readonly #name: string;
  readonly #data = Buffer.alloc(DATA_MAX);

  /**
   * @param input a descriptor to read from, with calls that wait
   * @param output a descriptor to write to, with calls that wait
   * @param name the other side, for errors
   */
  constructor(input: number, output: number, name: string) {
    [this.#input, this.#output, this.#name] = [input, output, name];
  }

  /** @throws SystemError if the other side has ended */
  send(header: Header, data: Uint8Array = new Uint8Array()): void {
    const first = encoded(header, data.length);
    if (data.length <= JOINED_BYTES) this.#write(Buffer.concat([first, data]));
    else for (const part of [first, data]) this.#write(part);
  }

  /**
   * Waits for the next message.
   *
   * @returns undefined if the other side has ended
   * @throws SystemError EPROTO if what it sent is no message
   */
  receive(): Message | undefined {
    const lengths = Buffer.alloc(LENGTHS_BYTES);
    const got = this.#read(lengths);
    if (got === 0) return undefined;
    const [magic, headerBytes = 0, dataBytes = 0] = [0, 4, 8].map((at) => lengths.readUInt32BE(at));
    if (got < LENGTHS_BYTES || magic !== MAGIC || headerBytes > HEADER_MAX || dataBytes > DATA_MAX) throw this.broken();
    const header = Buffer.alloc(headerBytes);
    const data = this.#data.subarray(0, dataBytes);
    if (this.#read(header) < headerBytes || this.#read(data) < dataBytes) return undefined;
    return { header: this.#parsed(header), data };
  }

  /** Nothing is sent or received any more. */
  close(): void {
    for (const fd of [this.#input, this.#output]) closeSync(fd);
  }

  /** The other side does not keep to the protocol. */
  broken(): SystemError {
    return new SystemError(EPROTO, 'understand', this.#name);
  }

  #parsed(header: Buffer): Header {
    try {
      const value: unknown = JSON.parse(header.toString());
      if (isRecord(value)) return value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw this.broken();
  }

  #write(part: Uint8Array): void {
    for (let at = 0; at < part.length; )
      at += withErrno('send to', this.#name, () => writeSync(this.#output, part, at, part.length - at));
  }

  /** Returns less than the length only at the end. */
  #read(target: Uint8Array): number {
    for (let at = 0; at < target.length; ) {
      const got = withErrno('receive from', this.#name, () =>
        readSync(this.#input, target, at, target.length - at, null),
      );
      if (got === 0) return at;
      at += got;
    }
    return target.length;
  }
}
