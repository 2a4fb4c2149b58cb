/**
 * A client of a network block device (NBD, newstyle handshake, simple replies) over a unix socket: reads and writes at
 * offsets, several in flight, each call over when it returns but for writes: flush() waits for those.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { EIO, EPROTO, errnoOf, SystemError } from '../errors.js';

const NBDMAGIC = 0x4e42444d41474943n;
const IHAVEOPT = 0x49484156454f5054n;
const OPTION_REPLY = 0x3e889045565a9n;
const REQUEST = 0x25609513;
const SIMPLE_REPLY = 0x67446698;
/** Handshake flags: fixed newstyle, no 124 bytes of zeros. */
const FIXED_NO_ZEROS = 3;
const OPT_GO = 7;
const REP_ACK = 1;
const REP_INFO = 3;
const REP_ERROR = 0x80000000;
const INFO_EXPORT = 0;
const READ_ONLY = 2;
const REQUEST_BYTES = 28;
const REPLY_BYTES = 16;

const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3, zero: 6 } as const;
type Command = keyof typeof COMMAND;

/** Requests in flight: qemu-nbd takes no more from one client. */
const DEPTH = 16;
/** Longest data of one request. */
const PIECE_BYTES = 1048576;
/** Longest run of zeros of one request. */
const ZERO_BYTES = 1073741824;

/** A request that was sent and has no reply yet. */
interface Flight {
  readonly call: 'read' | 'write' | 'sync';
  /** Where data of the reply go. */
  readonly target?: Uint8Array;
}

/**
 * An open export. After a failed call only close() is of use.
 *
 * Each call throws a SystemError with the server's errno; EIO if the connection broke; EPROTO if the other side does not keep
 * to the protocol.
 */
export class NbdClient {
  /** What the export is, for errors. */
  readonly name: string;
  /** Size of the export. */
  readonly bytes: number;
  readonly isReadOnly: boolean;
  readonly #socket: number;
  readonly #flights = new Map<bigint, Flight>();
  #handle = 0n;

  /**
   * @param socket a connected stream socket, closed by close() or if this throws
   * @param name what the export is, for errors
   */
  constructor(socket: number, name: string) {
    [this.#socket, this.name] = [socket, name];
    try {
      const { bytes, flags } = this.#handshake();
      this.bytes = bytes;
      this.isReadOnly = (flags & READ_ONLY) !== 0;
    } catch (error) {
      closeSync(socket);
      throw error;
    }
  }

  /** Reads until `target` is full, at `offset` bytes. */
  readFull(target: Uint8Array, offset: number): void {
    this.#drain();
    for (let at = 0; at < target.length; at += PIECE_BYTES) {
      const part = target.subarray(at, at + PIECE_BYTES);
      this.#begin('read', offset + at, part.length, { call: 'read', target: part });
    }
    this.#drain();
  }

  /** Writes all of `source`, which the caller may change once this returns. On disk only after flush(). */
  write(source: Uint8Array, offset: number): void {
    for (let at = 0; at < source.length; at += PIECE_BYTES) {
      const part = source.subarray(at, at + PIECE_BYTES);
      this.#begin('write', offset + at, part.length, { call: 'write' });
      this.#send(part, 'write');
    }
  }

  /** Makes bytes read as zeros, without storing them where the server can do that. */
  zero(offset: number, bytes: number): void {
    for (let at = 0; at < bytes; at += ZERO_BYTES)
      this.#begin('zero', offset + at, Math.min(ZERO_BYTES, bytes - at), { call: 'write' });
  }

  /** All that was written is on disk when this returns. */
  flush(): void {
    this.#drain();
    this.#begin('flush', 0, 0, { call: 'sync' });
    this.#drain();
  }

  /** Ends the session. What was not flushed may be lost. */
  close(): void {
    try {
      this.#send(this.#request('disconnect', 0, 0), 'close');
    } catch (error) {
      // A server that is gone needs no farewell.
      if (!(error instanceof SystemError)) throw error;
    } finally {
      closeSync(this.#socket);
    }
  }

  #handshake(): { bytes: number; flags: number } {
    const hello = this.#receive(18, 'open');
    if (hello.readBigUInt64BE(0) !== NBDMAGIC || hello.readBigUInt64BE(8) !== IHAVEOPT) this.#broken('open');
    const go = Buffer.alloc(4 + 16 + 6);
    go.writeUInt32BE(FIXED_NO_ZEROS, 0);
    go.writeBigUInt64BE(IHAVEOPT, 4);
    go.writeUInt32BE(OPT_GO, 12);
    // Data: length of the export's name, 0; number of requested details, 0.
    go.writeUInt32BE(6, 16);
    this.#send(go, 'open');
    let found: { bytes: number; flags: number } | undefined;
    for (;;) {
      const head = this.#receive(20, 'open');
      const kind = head.readUInt32BE(12);
      if (head.readBigUInt64BE(0) !== OPTION_REPLY || kind >= REP_ERROR) this.#broken('open');
      const data = this.#receive(Math.min(head.readUInt32BE(16), PIECE_BYTES), 'open');
      if (kind === REP_INFO && data.length >= 12 && data.readUInt16BE(0) === INFO_EXPORT)
        found = { bytes: Number(data.readBigUInt64BE(2)), flags: data.readUInt16BE(10) };
      if (kind !== REP_ACK) continue;
      return found ?? this.#broken('open');
    }
  }

  #request(command: Command, offset: number, bytes: number): Buffer {
    const request = Buffer.alloc(REQUEST_BYTES);
    request.writeUInt32BE(REQUEST, 0);
    request.writeUInt16BE(COMMAND[command], 6);
    request.writeBigUInt64BE(this.#handle, 8);
    request.writeBigUInt64BE(BigInt(offset), 16);
    request.writeUInt32BE(bytes, 24);
    return request;
  }

  #begin(command: Command, offset: number, bytes: number, flight: Flight): void {
    if (this.#flights.size >= DEPTH) this.#end();
    this.#handle++;
    this.#flights.set(this.#handle, flight);
    this.#send(this.#request(command, offset, bytes), flight.call);
  }

  #drain(): void {
    while (this.#flights.size > 0) this.#end();
  }

  /** Takes one reply. */
  #end(): void {
    const [next] = this.#flights.values();
    const reply = this.#receive(REPLY_BYTES, next?.call ?? 'read');
    const handle = reply.readBigUInt64BE(8);
    const flight = this.#flights.get(handle);
    if (reply.readUInt32BE(0) !== SIMPLE_REPLY || !flight) return this.#broken(next?.call ?? 'read');
    this.#flights.delete(handle);
    const errno = reply.readUInt32BE(4);
    if (errno !== 0) throw new SystemError(errno, flight.call, this.name);
    if (flight.target) this.#fill(flight.target, 'read');
  }

  #receive(bytes: number, call: string): Buffer {
    const data = Buffer.alloc(bytes);
    this.#fill(data, call);
    return data;
  }

  #fill(target: Uint8Array, call: string): void {
    for (let done = 0; done < target.length; ) {
      const got = this.#transfer(call, () => readSync(this.#socket, target, done, target.length - done, null));
      if (got === 0) throw new SystemError(EIO, call, this.name);
      done += got;
    }
  }

  #send(data: Uint8Array, call: string): void {
    for (let done = 0; done < data.length; )
      done += this.#transfer(call, () => writeSync(this.#socket, data, done, data.length - done, null));
  }

  #transfer(call: string, run: () => number): number {
    try {
      return run();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      throw new SystemError(EIO, call, this.name);
    }
  }

  #broken(call: string): never {
    throw new SystemError(EPROTO, call, this.name);
  }
}
