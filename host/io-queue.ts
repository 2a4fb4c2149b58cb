/** Reads and writes of which several are under way at once, past the page cache: the kernel's asynchronous I/O. */
import { EAGAIN } from './errors.js';
import type { Syscalls } from './syscalls.js';

/** Memory that O_DIRECT takes begins at a multiple of this, and so do offsets and lengths. */
export const ALIGNMENT = 4096;

const EVENT_BYTES = 32;
const COMMANDS = { read: 0, write: 1 } as const;
/** Words of 32 bits in struct iocb; 64-bit fields are two of them. */
const IOCB_WORDS = 16;
const IOCB = { data: 0, command: 4, fd: 5, buffer: 6, bytes: 8, offset: 10 };
/** Offsets in struct io_event. */
const EVENT = { data: 0, result: 16 };

/** What one slot is to do. */
export interface Transfer {
  readonly slot: number;
  readonly command: keyof typeof COMMANDS;
  readonly fd: number;
  /** In bytes; multiples of ALIGNMENT where the file is open with O_DIRECT. */
  readonly offset: number;
  readonly bytes: number;
  /** Where its bytes are in the queue's memory; a multiple of ALIGNMENT. */
  readonly at: number;
}

/** A number of slots with at most one transfer under way each, and memory for their bytes. */
export class IoQueue {
  readonly #syscalls: Syscalls;
  readonly #subject: string;
  readonly #context: bigint;
  readonly #memory: Buffer;
  readonly #address: number;
  readonly #controls: Uint32Array;
  readonly #controlsAddress: number;
  /** Slots of the transfers that the kernel has not taken yet, and the addresses of their controls, for it. */
  readonly #waiting: Uint32Array;
  readonly #pointers: BigUint64Array;
  readonly #pointerBytes: Buffer;
  readonly #events: Buffer;
  #nrWaiting = 0;
  #underWay = 0;

  /**
   * @param slots number of slots
   * @param bytes size of the memory
   * @param subject what for, for errors
   * @throws SystemError if the kernel has no asynchronous I/O, or none left
   */
  constructor(syscalls: Syscalls, slots: number, bytes: number, subject: string) {
    this.#syscalls = syscalls;
    this.#subject = subject;
    // Memory that is never touched is never taken.
    const memory = Buffer.allocUnsafeSlow(bytes + ALIGNMENT);
    const start = syscalls.addressOf(memory);
    const skip = Number(-start & BigInt(ALIGNMENT - 1));
    this.#memory = memory.subarray(skip, skip + bytes);
    // User space's addresses have less than 53 bits.
    this.#address = Number(start) + skip;
    this.#controls = new Uint32Array(slots * IOCB_WORDS);
    this.#controlsAddress = Number(syscalls.addressOf(Buffer.from(this.#controls.buffer)));
    this.#waiting = new Uint32Array(slots);
    this.#pointers = new BigUint64Array(slots);
    this.#pointerBytes = Buffer.from(this.#pointers.buffer);
    this.#events = Buffer.alloc(slots * EVENT_BYTES);
    this.#context = syscalls.ioSetup(slots, subject);
  }

  /** Transfers added or under way. */
  get underWay(): number {
    return this.#nrWaiting + this.#underWay;
  }

  /** A part of the queue's memory. */
  buffer(at: number, bytes: number): Buffer {
    return this.#memory.subarray(at, at + bytes);
  }

  /** Adds a transfer to those that the next wait() begins. */
  add({ slot, command, fd, offset, bytes, at }: Transfer): void {
    const control = slot * IOCB_WORDS;
    this.#controls[control + IOCB.data] = slot;
    this.#controls[control + IOCB.command] = COMMANDS[command];
    this.#controls[control + IOCB.fd] = fd;
    this.#put(control + IOCB.buffer, this.#address + at);
    this.#put(control + IOCB.bytes, bytes);
    this.#put(control + IOCB.offset, offset);
    this.#waiting[this.#nrWaiting++] = slot;
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
    this.#syscalls.ioDestroy(this.#context, this.#underWay === 0);
  }

  /** A 64-bit field of a control; numbers are below 2^53. */
  #put(word: number, value: number): void {
    this.#controls[word] = value;
    this.#controls[word + 1] = value / 2 ** 32;
  }

  /** Begins what was added. Returns how many were refused, which are over at once. */
  #begin(onDone: (slot: number, result: number) => void): number {
    const count = this.#nrWaiting;
    this.#nrWaiting = 0;
    for (let at = 0; at < count; at++) {
      this.#pointers[at] = BigInt(this.#controlsAddress + 4 * IOCB_WORDS * (this.#waiting[at] ?? 0));
    }
    const refused: Array<[slot: number, result: number]> = [];
    for (let at = 0; at < count;) {
      const begun = this.#syscalls.ioSubmit(this.#context, this.#pointerBytes.subarray(8 * at), count - at);
      if (begun > 0) {
        this.#underWay += begun;
        at += begun;
        continue;
      }
      // One that is refused stands first; with some under way the kernel may have room again later.
      refused.push([this.#waiting[at] ?? 0, begun === 0 ? -EAGAIN : begun]);
      at++;
    }
    for (const [slot, result] of refused) onDone(slot, result);
    return refused.length;
  }
}
