/** Reads and writes with several in flight: the kernel's asynchronous I/O. */
import { EAGAIN } from '../errors.js';
import type { Syscalls } from './syscalls.js';

/** Memory that O_DIRECT takes begins at a multiple of this, and so do offsets and lengths. */
export const ALIGNMENT = 4096;

/** Pages of this size: for the disk, a long transfer has a few pieces of memory instead of hundreds. */
export const HUGE_PAGE_BYTES = 2097152;

const EVENT_BYTES = 32;
const COMMANDS = { read: 0, write: 1 } as const;
/** Words of 32 bits in struct iocb; 64-bit fields are two of them. */
const IOCB_WORDS = 16;
const IOCB = { data: 0, command: 4, fd: 5, buffer: 6, bytes: 8, offset: 10 };
/** Words of 32 bits in struct io_event; of a result the lower one is all of it. */
const EVENT_WORDS = EVENT_BYTES / 4;
const EVENT = { data: 0, result: 4 };

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

/** Slots of transfers that the kernel has not taken yet. */
interface Waiting {
  readonly slots: Uint32Array;
  count: number;
}

/** Writes a 64-bit field; numbers are below 2^53. */
const put = (words: Uint32Array, at: number, value: number): void => {
  words[at] = value;
  words[at + 1] = value / 2 ** 32;
};

/** A number of slots with at most one transfer in flight each, and memory for their bytes. */
export class IoQueue {
  readonly #syscalls: Syscalls;
  readonly #subject: string;
  readonly #context: bigint;
  readonly #memory: Buffer;
  readonly #words: Int32Array;
  readonly #address: number;
  readonly #controls: Uint32Array;
  readonly #controlsAddress: number;
  readonly #reads: Waiting;
  readonly #writes: Waiting;
  /** Addresses of the iocbs to submit, for the kernel. */
  readonly #pointers: Uint32Array;
  readonly #pointerBytes: Buffer;
  readonly #events: Int32Array;
  readonly #eventBytes: Buffer;
  #underWay = 0;

  /**
   * @param slots number of slots
   * @param bytes size of the memory
   * @param subject what the queue is for, in errors
   * @throws SystemError if the kernel has no asynchronous I/O, or none left
   */
  constructor(syscalls: Syscalls, slots: number, bytes: number, subject: string) {
    this.#syscalls = syscalls;
    this.#subject = subject;
    // Memory that is never touched is never allocated.
    const memory = Buffer.allocUnsafeSlow(bytes + HUGE_PAGE_BYTES);
    const start = syscalls.addressOf(memory);
    const skip = Number(-start & BigInt(HUGE_PAGE_BYTES - 1));
    this.#memory = memory.subarray(skip, skip + bytes);
    syscalls.adviseHugePages(this.#memory);
    this.#words = new Int32Array(memory.buffer, memory.byteOffset + skip, bytes / 4);
    // User space's addresses have less than 53 bits.
    this.#address = Number(start) + skip;
    this.#controls = new Uint32Array(slots * IOCB_WORDS);
    this.#controlsAddress = Number(syscalls.addressOf(Buffer.from(this.#controls.buffer)));
    this.#reads = { slots: new Uint32Array(slots), count: 0 };
    this.#writes = { slots: new Uint32Array(slots), count: 0 };
    this.#pointers = new Uint32Array(2 * slots);
    this.#pointerBytes = Buffer.from(this.#pointers.buffer);
    this.#events = new Int32Array(slots * EVENT_WORDS);
    this.#eventBytes = Buffer.from(this.#events.buffer);
    this.#context = syscalls.ioSetup(slots, subject);
  }

  /** Transfers added or in flight. */
  get underWay(): number {
    return this.#reads.count + this.#writes.count + this.#underWay;
  }

  /** A part of the queue's memory. */
  buffer(at: number, bytes: number): Buffer {
    return this.#memory.subarray(at, at + bytes);
  }

  /** Whether the first bytes of a part of the queue's memory are zeros: if not, not all of it is zeros. */
  beginsWithZeros(at: number): boolean {
    return this.#words[at / 4] === 0;
  }

  /** Adds a transfer to those that the next wait() submits. */
  add({ slot, command, fd, offset, bytes, at }: Transfer): void {
    const control = slot * IOCB_WORDS;
    this.#controls[control + IOCB.data] = slot;
    this.#controls[control + IOCB.command] = COMMANDS[command];
    this.#controls[control + IOCB.fd] = fd;
    put(this.#controls, control + IOCB.buffer, this.#address + at);
    put(this.#controls, control + IOCB.bytes, bytes);
    put(this.#controls, control + IOCB.offset, offset);
    const waiting = command === 'read' ? this.#reads : this.#writes;
    waiting.slots[waiting.count++] = slot;
  }

  /**
   * Submits what was added, and waits.
   *
   * @param least number of transfers to wait for
   * @param onDone called for each slot whose transfer is done, with the bytes moved or a negative errno
   */
  wait(least: number, onDone: (slot: number, result: number) => void): void {
    const over = this.#begin(onDone);
    const wanted = Math.min(least - over, this.#underWay);
    if (this.#underWay === 0) return;
    const got = this.#syscalls.ioGetEvents(this.#context, Math.max(wanted, 0), this.#eventBytes, this.#subject);
    this.#underWay -= got;
    const events = this.#events;
    for (let at = 0; at < got * EVENT_WORDS; at += EVENT_WORDS) {
      onDone(events[at + EVENT.data] ?? 0, events[at + EVENT.result] ?? 0);
    }
  }

  /** Waits for transfers in flight, and discards their results. */
  close(): void {
    this.#syscalls.ioDestroy(this.#context, this.#underWay === 0);
  }

  /** Submits what was added, reads first: a write through the page cache blocks. Returns the number of refused ones. */
  #begin(onDone: (slot: number, result: number) => void): number {
    return this.#submit(this.#reads, onDone) + this.#submit(this.#writes, onDone);
  }

  /** Refused transfers are done at once. */
  #submit(waiting: Waiting, onDone: (slot: number, result: number) => void): number {
    const { count, slots } = waiting;
    waiting.count = 0;
    for (let at = 0; at < count; at++) {
      put(this.#pointers, 2 * at, this.#controlsAddress + 4 * IOCB_WORDS * (slots[at] ?? 0));
    }
    const refused: Array<[slot: number, result: number]> = [];
    for (let at = 0; at < count; ) {
      const begun = this.#syscalls.ioSubmit(this.#context, this.#pointerBytes.subarray(8 * at), count - at);
      if (begun > 0) {
        this.#underWay += begun;
        at += begun;
        continue;
      }
      // The first one was refused; with others in flight, the kernel may have room again later.
      refused.push([slots[at] ?? 0, begun === 0 ? -EAGAIN : begun]);
      at++;
    }
    for (const [slot, result] of refused) onDone(slot, result);
    return refused.length;
  }
}
