/** Reads and writes of which several are under way at once, past the page cache: the kernel's asynchronous I/O. */
import { EAGAIN } from './errors.js';
import type { Syscalls } from './syscalls.js';

/** Memory that O_DIRECT takes begins at a multiple of this, and so do offsets and lengths. */
export const ALIGNMENT = 4096;

const CONTROL_BYTES = 64;
const EVENT_BYTES = 32;
const POINTER_BYTES = 8;
const COMMANDS = { read: 0, write: 1 } as const;
/** Offsets in struct iocb and struct io_event. */
const IOCB = { data: 0, command: 16, fd: 20, buffer: 24, bytes: 32, offset: 40 };
const EVENT = { data: 0, result: 16 };

/** What one slot is to do with its buffer. */
export interface Transfer {
  readonly slot: number;
  readonly command: keyof typeof COMMANDS;
  readonly fd: number;
  /** In bytes; multiples of ALIGNMENT where the file is open with O_DIRECT. */
  readonly offset: number;
  readonly bytes: number;
}

/** A number of slots, each with a buffer and at most one transfer under way. */
export class IoQueue {
  readonly #syscalls: Syscalls;
  readonly #subject: string;
  readonly #context: bigint;
  readonly #slots: readonly Buffer[];
  readonly #addresses: readonly bigint[];
  readonly #controls: Buffer;
  readonly #controlsAddress: bigint;
  readonly #pointers: Buffer;
  readonly #events: Buffer;
  /** Transfers that the kernel has not taken yet. */
  #waiting = 0;
  #underWay = 0;

  /**
   * @param depth number of slots
   * @param slotBytes size of their buffers
   * @param subject what for, for errors
   * @throws SystemError if the kernel has no asynchronous I/O, or none left
   */
  constructor(syscalls: Syscalls, depth: number, slotBytes: number, subject: string) {
    this.#syscalls = syscalls;
    this.#subject = subject;
    // Memory that is never touched is never taken: small transfers in large slots cost nothing.
    const memory = Buffer.allocUnsafeSlow(depth * slotBytes + ALIGNMENT);
    const start = syscalls.addressOf(memory);
    const skip = Number(-start & BigInt(ALIGNMENT - 1));
    const at = (slot: number): number => skip + slot * slotBytes;
    this.#slots = Array.from({ length: depth }, (_, slot) => memory.subarray(at(slot), at(slot) + slotBytes));
    this.#addresses = Array.from({ length: depth }, (_, slot) => start + BigInt(at(slot)));
    this.#controls = Buffer.alloc(depth * CONTROL_BYTES);
    this.#controlsAddress = syscalls.addressOf(this.#controls);
    this.#pointers = Buffer.alloc(depth * POINTER_BYTES);
    this.#events = Buffer.alloc(depth * EVENT_BYTES);
    this.#context = syscalls.ioSetup(depth, subject);
  }

  /** The buffer of a slot. */
  buffer(slot: number): Buffer {
    const buffer = this.#slots[slot];
    if (!buffer) throw new RangeError(`slot ${slot}, expected less than ${this.#slots.length}`);
    return buffer;
  }

  /** Adds a transfer to those that the next wait() begins. */
  add({ slot, command, fd, offset, bytes }: Transfer): void {
    const at = slot * CONTROL_BYTES;
    this.#controls.fill(0, at, at + CONTROL_BYTES);
    this.#controls.writeUInt32LE(slot, at + IOCB.data);
    this.#controls.writeUInt16LE(COMMANDS[command], at + IOCB.command);
    this.#controls.writeUInt32LE(fd, at + IOCB.fd);
    this.#controls.writeBigUInt64LE(this.#addresses[slot] ?? 0n, at + IOCB.buffer);
    this.#controls.writeBigUInt64LE(BigInt(bytes), at + IOCB.bytes);
    this.#controls.writeBigUInt64LE(BigInt(offset), at + IOCB.offset);
    this.#pointers.writeBigUInt64LE(this.#controlsAddress + BigInt(at), this.#waiting * POINTER_BYTES);
    this.#waiting++;
  }

  /**
   * Begins what was added, and waits.
   *
   * @param least how many transfers to wait for
   * @param onDone told each slot whose transfer is over, with the bytes moved, or a negative errno
   */
  wait(least: number, onDone: (slot: number, result: number) => void): void {
    const over = this.#begin(onDone);
    const wanted = Math.min(least - over, this.#underWay);
    if (this.#underWay === 0) return;
    const got = this.#syscalls.ioGetEvents(this.#context, Math.max(wanted, 0), this.#events, this.#subject);
    this.#underWay -= got;
    for (let at = 0; at < got * EVENT_BYTES; at += EVENT_BYTES) {
      onDone(this.#events.readUInt32LE(at + EVENT.data), Number(this.#events.readBigInt64LE(at + EVENT.result)));
    }
  }

  /** Waits for what is under way, whose results are lost. */
  close(): void {
    this.#syscalls.ioDestroy(this.#context);
  }

  /** Begins what was added. Returns how many were refused, which are over at once. */
  #begin(onDone: (slot: number, result: number) => void): number {
    let refused = 0;
    for (let at = 0; at < this.#waiting;) {
      const pointers = this.#pointers.subarray(at * POINTER_BYTES);
      const begun = this.#syscalls.ioSubmit(this.#context, pointers, this.#waiting - at);
      if (begun > 0) {
        this.#underWay += begun;
        at += begun;
        continue;
      }
      // One that is refused stands first; with some under way the kernel may have room again later.
      const control = Number(pointers.readBigUInt64LE() - this.#controlsAddress);
      onDone(this.#controls.readUInt32LE(control + IOCB.data), begun === 0 ? -EAGAIN : begun);
      refused++;
      at++;
    }
    this.#waiting = 0;
    return refused;
  }
}
