/** Restore points in a folder of another machine. datto-receive(8) keeps them there as qcow2 files (qcow2.ts). */
import type { PipedExport } from '../../nbd/server.js';
import { isRecord } from '../../system/summed-json.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { Point, PointDamage, PointFacts, PointWriter, SnapshotId, Target } from '../target.js';
import { sshAddressOf } from './address.js';
import type { Message } from './channel.js';
import { DATA_MAX, encoded } from './channel.js';
import { Connection, commandOf, openRequest } from './connection.js';
import { countFrom, damageFrom, pointFrom, snapshotFields, textFrom, textsFrom } from './messages.js';

/** Cuts a range into what one message holds. */
function* partsOf(bytes: number): Generator<[start: number, end: number]> {
  for (let at = 0; at < bytes; at += DATA_MAX) yield [at, Math.min(at + DATA_MAX, bytes)];
}

class SshWriter implements PointWriter {
  readonly cursor: number;
  readonly #connection: Connection;
  /** Offsets of reads that have been requested and not been replied to, the oldest first. */
  readonly #expected: number[] = [];
  #isOpen = true;

  constructor(connection: Connection, cursor: number) {
    [this.#connection, this.cursor] = [connection, cursor];
  }

  write(data: Buffer, offset: number): void {
    for (const [start, end] of partsOf(data.length))
      this.#connection.send({ call: 'write', offset: offset + start }, data.subarray(start, end));
  }

  zero(offset: number, bytes: number): void {
    this.#connection.send({ call: 'zero', offset, bytes });
  }

  checkpoint(cursor: number): void {
    this.#connection.call({ call: 'checkpoint', cursor });
  }

  expect(offset: number, bytes: number): void {
    for (const [start, end] of partsOf(bytes)) {
      this.#connection.send({ call: 'read', offset: offset + start, bytes: end - start });
      this.#expected.push(offset + start);
    }
  }

  readFull(target: Uint8Array, offset: number): void {
    if (this.#expected.length === 0) this.expect(offset, target.length);
    for (const [start, end] of partsOf(target.length)) {
      if (this.#expected[0] !== offset + start) throw new RangeError(`no read at ${offset + start} was announced`);
      const { data } = this.#reply();
      this.#connection.understand(() => {
        if (data.length !== end - start) throw new SyntaxError('no data');
      });
      target.set(data, start);
    }
  }

  flush(): void {
    this.#connection.call({ call: 'flush' });
  }

  commit(): Point {
    const { header } = this.#connection.call({ call: 'commit' });
    this.#isOpen = false;
    return this.#connection.understand(() => pointFrom(header.point));
  }

  close(): void {
    this.#end('close');
  }

  discard(): void {
    this.#end('discard');
  }

  #end(call: 'close' | 'discard'): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // Then the other side has ended it, and the reason was reported.
    if (this.#connection.hasEnded) return;
    while (this.#expected.length > 0) this.#skip();
    this.#connection.call({ call });
  }

  #reply(): Message {
    this.#expected.shift();
    return this.#connection.receive();
  }

  /** Takes the reply to a read that nobody needs any more. */
  #skip(): void {
    try {
      this.#reply();
    } catch (error) {
      if (this.#connection.hasEnded) throw error;
    }
  }
}

export class SshTarget implements Target {
  readonly address: string;
  readonly #syscalls: Syscalls;
  #opened: Connection | undefined;

  /** @throws RefusalError IMAGE_KIND; nothing is connected to before the first call */
  constructor(address: string, syscalls: Syscalls) {
    sshAddressOf(address);
    [this.address, this.#syscalls] = [address, syscalls];
  }

  points(): Point[] {
    const { header } = this.#connection.call({ call: 'points' });
    return this.#connection.understand(() => {
      if (!Array.isArray(header.points)) throw new SyntaxError('no points');
      return header.points.map(pointFrom);
    });
  }

  begun(): (SnapshotId & { readonly storedBytes: number }) | undefined {
    const { header } = this.#connection.call({ call: 'begun' });
    const { begun } = header;
    if (begun === undefined) return undefined;
    return this.#connection.understand(() => {
      if (!isRecord(begun)) throw new SyntaxError('no point');
      const { series, sequence, storedBytes } = begun;
      return { series: textFrom(series), sequence: BigInt(textFrom(sequence)), storedBytes: countFrom(storedBytes) };
    });
  }

  begin(facts: PointFacts, base: Point | undefined): PointWriter {
    const fields = { facts: snapshotFields(facts), ...(base ? { base: base.name } : {}) };
    const reply = this.#connection.call({ call: 'begin', ...fields });
    return new SshWriter(this.#connection, this.#connection.countOf(reply, 'cursor'));
  }

  tidy(onNotice: (text: string) => void): void {
    this.#texts('tidy').forEach(onNotice);
  }

  /** Points that are known and cannot be read any more, in words. */
  lost(): readonly string[] {
    return this.#texts('lost');
  }

  remove({ name }: Point): void {
    this.#connection.call({ call: 'remove', name });
  }

  fault({ name }: Point): string | undefined {
    const { header } = this.#connection.call({ call: 'fault', name });
    if (header.fault === undefined) return undefined;
    return this.#connection.understand(() => `${textFrom(header.fault)} on ${this.#connection.host}`);
  }

  storedBytes({ name }: Point): number {
    return this.#connection.countOf(this.#connection.call({ call: 'stored', name }), 'bytes');
  }

  exportOf({ name }: Point): PipedExport {
    const { host, folder } = sshAddressOf(this.address);
    return { command: commandOf(host), request: encoded({ ...openRequest(folder), serve: name }) };
  }

  verify(
    { name }: Point,
    onDamage: (damage: PointDamage) => void,
    onProgress: (doneBytes: number) => void,
    onData?: (data: Buffer, offset: number) => void,
  ): number {
    const connection = this.#connection;
    connection.send({ call: 'verify', name, withData: onData !== undefined });
    for (;;) {
      const message = connection.receive();
      const { header, data } = message;
      try {
        if (header.damage !== undefined) onDamage(connection.understand(() => damageFrom(header.damage)));
        else if (header.done !== undefined) onProgress(connection.countOf(message, 'done'));
        else if (header.offset !== undefined) onData?.(data, connection.countOf(message, 'offset'));
        else return connection.countOf(message, 'damaged');
      } catch (error) {
        // What follows would be taken for the reply to the next request.
        this.#opened = undefined;
        connection.close();
        throw error;
      }
    }
  }

  close(): void {
    this.#opened?.end();
    this.#opened = undefined;
  }

  get #connection(): Connection {
    this.#opened ??= new Connection(sshAddressOf(this.address), this.#syscalls);
    return this.#opened;
  }

  #texts(call: string): string[] {
    const { header } = this.#connection.call({ call });
    return this.#connection.understand(() => textsFrom(header.texts));
  }
}
