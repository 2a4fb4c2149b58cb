// What went to the log of an XFS, for what a live checkpoint says of it (live-log.ts). Its rules:
//
//   position   cycle * sectors of the log + sector: it only ever grows
//   in flight  8 records at most, of 512 sectors at most
//   stamps     a mount stamps 4096 sectors behind the end before it writes a record: up to the log's tail, if that is nearer

import { SECTOR_BYTES, XFS_LOG_MAGIC } from './layout';
import { BUFFER, LOG_RECORDS } from './memory';
import { be32 } from './xfs-log';

/** Sectors that a mount stamps, and that are in flight, at most. */
export const STAMPS_MAX: u64 = 4096;
const RECORD_SECTORS_MAX: u64 = 512;
const IN_FLIGHT: u64 = 8;
/** Records that are kept: those in flight, and the one before. */
const KEPT: u64 = 9;
const ENTRY: usize = 24;
/** A smaller log is full too soon. */
const LOG_SECTORS_MIN: u64 = 16384;

// Fields of a record's header, big-endian; the sum as it lies there.
const HEADER_CYCLE: usize = 4;
const HEADER_LENGTH: usize = 12;
const HEADER_TAIL: usize = 24;
const HEADER_SUM: usize = 32;
const HEADER_NR_OPERATIONS: usize = 40;
/** Set in the sum of every record: 0 says that it is yet to come. */
const HAS_SUM: u64 = 1 << 32;
/** Set in that of one with a single operation. An unmount writes such a record at last. */
export const MAY_BE_LAST: u64 = 1 << 33;

/** What went to the log since it was at rest, or since a mount stamped it. */
export class Passed {
  /** Sectors of the log; 0 if nothing is known of it. */
  static nr_sectors: u64 = 0;
  /** Where the log ended then, and its end behind the last record. */
  static base: u64 = 0;
  static end: u64 = 0;
  /** Records since; the last ones are kept. */
  static nr: u64 = 0;
  /** At which position its tail was, at least. */
  static base_tail: u64 = 0;
  /** Where the last record ended that an unmount may have written. */
  static ended: u64 = 0;
  /** Position behind the stamps; 0 if that is not known. */
  static stamps: u64 = 0;
  /** Position of the first of them, as long as a mount elsewhere might stamp the same; else 0. */
  static first: u64 = 0;
  static stamping: bool = false;
}

/** The write at hand. */
export class Write {
  static position: u64 = 0;
  static end: u64 = 0;
  static is_stamp: bool = false;
  /** A record begins with it; else it is the rest of one, at the start of the log. */
  static is_record: bool = false;
  /** Where that record begins, and its sum. */
  static from: u64 = 0;
  static sum: u64 = 0;
}

@inline
function entry(number: u64): usize {
  return LOG_RECORDS + <usize>(number % KEPT) * ENTRY;
}

/** Forgets what is known of the log: no live checkpoint can speak of it. */
export function forget_passed(): void {
  Passed.nr_sectors = 0;
  Passed.stamps = 0;
  Passed.first = 0;
  Passed.nr = 0;
  Passed.ended = 0;
  Passed.stamping = false;
}

/**
 * Nothing is in flight to the log, which ends there.
 *
 * @param sectors of the log; 0 if there is none, or its end is not known
 * @param last the sector that was written last
 * @param cycle its cycle
 * @returns 0
 */
export function live_rest(sectors: i64, last: i64, cycle: i64): i64 {
  forget_passed();
  if (<u64>sectors < LOG_SECTORS_MIN || <u64>sectors > u32.MAX_VALUE) return 0;
  if (<u64>last >= <u64>sectors || !cycle || <u64>cycle > u32.MAX_VALUE) return 0;
  Passed.nr_sectors = sectors;
  Passed.base = cycle * sectors + last + 1;
  Passed.end = Passed.base;
  Passed.base_tail = Passed.base - STAMPS_MAX;
  return 0;
}

/** The stamps were looked for, while the log may have grown: they end there. */
export function take_stamps(stamps: u64): void {
  Passed.stamps = stamps;
  if (!Passed.first && stamps == Passed.base + STAMPS_MAX) Passed.first = Passed.base;
}

/** Was the sector whose first words are there written in the cycle of its position, or stamped before that? */
export function is_ahead_of_old(at: usize, position: u64, sectors: u64): bool {
  return is_stamp(at, position, sectors) || cycle_of(at) == position / sectors;
}

export function is_stamp(at: usize, position: u64, sectors: u64): bool {
  if (be32(at) != XFS_LOG_MAGIC || be32(at + HEADER_LENGTH)) return false;
  return <u64>be32(at + HEADER_CYCLE) + 1 == position / sectors;
}

@inline
function cycle_of(at: usize): u64 {
  const word = be32(at);
  return word != XFS_LOG_MAGIC ? word : be32(at + HEADER_LENGTH) ? be32(at + HEADER_CYCLE) : 0;
}

/** Where the record goes that may not have reached the disk, of which all before has: with that many more that come. */
export function low_with(more: u64): u64 {
  const nr = Passed.nr + more;
  return nr > IN_FLIGHT ? load<u64>(entry(nr - IN_FLIGHT)) : Passed.base;
}

/** The tail of the record before that. */
export function tail_with(more: u64): u64 {
  const nr = Passed.nr + more;
  return nr > IN_FLIGHT ? load<u64>(entry(nr - IN_FLIGHT - 1), 8) : Passed.base_tail;
}

/** Finds out what the write at hand is, whose first and last sector are in the buffer. Returns false if it is no mount's. */
export function parse(sector: u64, count: u64): bool {
  const sectors = Passed.nr_sectors;
  if (!count || count > sectors || sector > sectors - count) return false;
  const last = BUFFER + SECTOR_BYTES;
  const begins = be32(BUFFER) == XFS_LOG_MAGIC;
  Write.is_record = begins && be32(BUFFER + HEADER_LENGTH) != 0;
  Write.is_stamp = begins && !Write.is_record;
  const cycle = <u64>(begins ? be32(BUFFER + HEADER_CYCLE) : be32(BUFFER));
  Write.position = (cycle + u64(Write.is_stamp)) * sectors + sector;
  Write.end = Write.position + count;
  if (Write.is_stamp) return count <= STAMPS_MAX && is_stamp(last, Write.end - 1, sectors) && is_in_reach(STAMPS_MAX);
  if (count > RECORD_SECTORS_MAX) return false;
  Write.from = Write.position;
  Write.sum = sum_at(BUFFER);
  if (Write.is_record) return is_in_reach(IN_FLIGHT * RECORD_SECTORS_MAX);
  if (is_rest()) return !sector || Write.end <= Passed.end;
  // Its first part is yet to come.
  Write.sum = 0;
  return !sector && is_in_reach(RECORD_SECTORS_MAX);
}

/** Did the write at hand go before, or the record of which it is a part? Drivers below split records, and submit them once more. */
export function is_again(): bool {
  if (Write.is_stamp || Write.end > Passed.end) return false;
  return !Write.is_record || kept_sum(Write.position) == Write.sum;
}

/** Is a record kept that may go on there? It is the last one before. */
function is_rest(): bool {
  let found = false;
  for (let number = oldest(); number < Passed.nr; number++) {
    const from = load<u64>(entry(number));
    if (from >= Write.position || Write.position - from >= RECORD_SECTORS_MAX) continue;
    Write.from = from;
    Write.sum = load<u64>(entry(number), 16);
    found = true;
  }
  return found;
}

@inline
function oldest(): u64 {
  return Passed.nr < KEPT ? 0 : Passed.nr - KEPT;
}

/** Does the write go near the end of the log? */
function is_in_reach(distance: u64): bool {
  return Write.position + distance >= Passed.base && Write.end <= Passed.end + distance;
}

/** The tail in the header at hand, as a position. */
function header_tail(): u64 {
  return <u64>be32(BUFFER + HEADER_TAIL) * Passed.nr_sectors + be32(BUFFER + HEADER_TAIL + 4);
}

@inline
export function sum_at(at: usize): u64 {
  return <u64>load<u32>(at, HEADER_SUM) | HAS_SUM | (be32(at + HEADER_NR_OPERATIONS) == 1 ? MAY_BE_LAST : 0);
}

/** The write at hand goes. */
export function pass(): void {
  if (Write.is_stamp) {
    // They may come in any order.
    if (!Passed.stamping || Write.position < Passed.base) begin_stamps();
    Passed.stamps = max(Passed.stamps, Write.end);
    Passed.base_tail = Passed.stamps - Passed.nr_sectors;
    return;
  }
  Passed.stamping = false;
  Passed.end = max(Passed.end, Write.end);
  if (Write.sum & MAY_BE_LAST) Passed.ended = max(Passed.ended, Write.end);
  if (Write.is_record) keep_record();
}

/** They are kept in the order of their positions, in which they are written, but may not come. */
function keep_record(): void {
  let number = Passed.nr;
  while (number > oldest() && load<u64>(entry(number - 1)) >= Write.position) number--;
  if (number < Passed.nr && load<u64>(entry(number)) == Write.position) return; // it comes again
  for (let i = Passed.nr; i > number; i--) memory.copy(entry(i), entry(i - 1), ENTRY);
  Passed.nr++;
  store<u64>(entry(number), Write.position);
  store<u64>(entry(number), header_tail(), 8);
  store<u64>(entry(number), Write.sum, 16);
}

/** A mount stamps what lies behind the end, as it has found it. */
function begin_stamps(): void {
  Passed.stamping = true;
  Passed.base = Write.position;
  Passed.end = Write.position;
  Passed.first = Write.position;
  Passed.nr = 0;
  Passed.ended = 0;
}

/** Position and sum of a record that is kept. */
@inline
export function position_of(number: u64): u64 {
  return load<u64>(entry(number));
}

@inline
export function sum_of(number: u64): u64 {
  return load<u64>(entry(number), 16);
}

/** The sum of the record that begins there; 0 if it is not kept. */
export function kept_sum(position: u64): u64 {
  for (let number = oldest(); number < Passed.nr; number++) {
    if (position_of(number) == position) return sum_of(number);
  }
  return 0;
}
