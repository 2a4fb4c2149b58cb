// What a live checkpoint says of the log of an XFS, so that a mount elsewhere after a power cut is seen (docs/CORE.md, "Live
// checkpoints"). The log's own rules are in log-writes.ts.
//
// After a power cut the log ends at or behind the 8th last record, and a mount elsewhere would have left stamps behind the end,
// or have written over a record that went from here. Tools work on a log that an unmount has ended, and leave it as it is: then no
// checkpoint speaks of it.

import {
  EOPNOTSUPP,
  LIVE_OFFSET_LOG_HIGH,
  LIVE_OFFSET_LOG_LOW,
  LIVE_OFFSET_LOG_MARK,
  LIVE_OFFSET_LOG_MARK_SUM,
  LIVE_OFFSET_LOG_SECTORS,
  LIVE_OFFSET_LOG_STAMPS,
  XFS_LOG_MAGIC,
} from './layout';
import {
  MAY_BE_LAST,
  Passed,
  STAMPS_MAX,
  Write,
  forget_passed,
  is_again,
  is_ahead_of_old,
  is_stamp,
  kept_sum,
  low_with,
  parse,
  pass,
  position_of,
  sum_at,
  sum_of,
  tail_with,
  take_stamps,
} from './log-writes';
import { BUFFER } from './memory';
import { be32 } from './xfs-log';

/** What the header says. */
class Tie {
  static nr_sectors: u64 = 0;
  static low: u64 = 0;
  static high: u64 = 0;
  static stamps: u64 = 0;
  static mark: u64 = 0;
  static mark_sum: u64 = 0;
}

/** What it is to say for the write that was refused last. */
class Offer {
  static is_one: bool = false;
  static low: u64 = 0;
  static high: u64 = 0;
  static stamps: u64 = 0;
  static mark: u64 = 0;
  static mark_sum: u64 = 0;
}

/** The log is the one of which the header speaks. */
export function accept_tie(): void {
  Passed.stamps = Tie.stamps;
}

/** It is, and goes on: nothing is in flight, and what the header does not speak of is a record that an unmount may have written. */
export function take_over_tie(): void {
  if (!Tie.nr_sectors || !Passed.nr_sectors) return;
  take_stamps(Tie.stamps);
  if (Passed.end > Tie.high) Passed.ended = Passed.end;
}

/** Would a header with these fields speak of the write at hand? */
function covers(low: u64, high: u64, stamps: u64, mark: u64, mark_sum: u64): bool {
  const expected = mark != 0 && !mark_sum;
  if (Write.is_stamp) return expected && Write.position >= mark && Write.end <= stamps;
  if (Write.sum & MAY_BE_LAST) return high == Write.from;
  // The record at the mark may have to be on disk: the log ends behind it then, at least.
  const first = mark ? min(low, mark) : low;
  return Write.position >= first && Write.end <= high && !(expected && Write.is_record);
}

function is_covered(): bool {
  return covers(Tie.low, Tie.high, Tie.stamps, Tie.mark, Tie.mark_sum);
}

/** Is there a header to offer that speaks of the write at hand? It goes once that is on disk. */
function is_offered(): bool {
  const is_one = Write.is_stamp ? offer_stamps() : offer_record();
  return is_one && covers(Offer.low, Offer.high, Offer.stamps, Offer.mark, Offer.mark_sum);
}

/** Until its first record comes the stamps may become fewer: the header says how far they may reach. */
function offer_stamps(): bool {
  if ((Passed.stamping && Write.position >= Passed.base) || Write.position < Tie.low) return false;
  Offer.low = Tie.low;
  Offer.high = Tie.high;
  Offer.stamps = Write.position + STAMPS_MAX;
  Offer.mark = Write.position;
  Offer.mark_sum = 0;
  return true;
}

/**
 * The record that must be on disk, as long as it may not be: the first one behind our stamps, since a mount elsewhere would stamp
 * the same; or the one behind a record that an unmount may have written. 0 if there is none.
 */
function anchor_at(low: u64): u64 {
  const anchor = max(Passed.first, Passed.ended);
  return low <= anchor ? anchor : 0;
}

/** Behind an unmount's record that one must be there; behind stamps, if they are. */
function low_of(low: u64, anchor: u64): u64 {
  return anchor == Passed.ended ? anchor + 1 : low;
}

/** How far the log may grow behind that record. */
function high_behind(anchor: u64, tail: u64): u64 {
  const stamps = anchor == Passed.ended ? tail + Passed.nr_sectors - 1 : Passed.stamps;
  return min(anchor + STAMPS_MAX, stamps);
}

function offer_record(): bool {
  const more = u64(Write.is_record);
  const low = low_with(more);
  const anchor = anchor_at(low);
  Offer.stamps = Passed.stamps;
  if (anchor) {
    Offer.low = low_of(low, anchor);
    Offer.mark = anchor;
    Offer.mark_sum = Write.from == anchor ? Write.sum : kept_sum(anchor);
    Offer.high = high_behind(anchor, tail_with(more));
  } else {
    Offer.low = min(low, Write.from - 1);
    Offer.mark = Write.from;
    Offer.mark_sum = Write.sum;
    Offer.high = high_of(Offer.mark, tail_with(more));
  }
  if (!Offer.mark_sum || Write.end > Offer.high) return false;
  // Such a record is not spoken of: if it is on disk the checkpoint is refused.
  if (Write.sum & MAY_BE_LAST) Offer.high = Write.from;
  return true;
}

/**
 * How far the log may grow behind the record at the mark, so that a mount elsewhere is seen still. Of that record only the header may be
 * on disk: the log ends in it then. The mount's stamps end at the tail, at the latest, and must reach further than ours. Returns 0 if
 * they might not.
 */
function high_of(mark: u64, tail: u64): u64 {
  const tail_end = tail + Passed.nr_sectors;
  return tail_end > Passed.stamps ? min(mark + STAMPS_MAX, tail_end - 1) : 0;
}

/**
 * Looks at a write to the log, whose first and last sector are in the buffer, one behind the other.
 *
 * @param sector of the log
 * @param count of sectors
 * @param tied whether there is a live checkpoint, or one is being written
 * @returns 1: it may go, and is noted; 0: live_renew() first; -EOPNOTSUPP if no live checkpoint can speak of it
 */
export function log_write(sector: u64, count: u64, tied: bool): i64 {
  const known = Passed.nr_sectors != 0 && parse(sector, count);
  if (tied && (!known || !Passed.stamps)) return -EOPNOTSUPP;
  if (!known) {
    forget_passed();
    return 1;
  }
  if (tied && is_again()) return 1;
  if (tied && !is_covered()) {
    Offer.is_one = is_offered();
    return Offer.is_one ? 0 : -EOPNOTSUPP;
  }
  pass();
  return 1;
}

/** Lets the header speak of the write that was refused last. */
export function renew_tie(): void {
  if (!Offer.is_one) return;
  Offer.is_one = false;
  Tie.low = Offer.low;
  Tie.high = Offer.high;
  Tie.stamps = Offer.stamps;
  Tie.mark = Offer.mark;
  Tie.mark_sum = Offer.mark_sum;
}

/** Does the header speak of the log as it is now, if there is one? */
export function is_log_spoken_of(): bool {
  return !Tie.nr_sectors || (Passed.end <= Tie.high && (!Tie.mark || Tie.mark_sum != 0));
}

/** Does the header speak of a log? */
export function has_tie(): bool {
  return Tie.nr_sectors != 0;
}

/** There is no log of which the header is to speak. */
export function no_tie(): void {
  Tie.nr_sectors = 0;
  Tie.low = 0;
  Tie.high = 0;
  Tie.stamps = 0;
  Tie.mark = 0;
  Tie.mark_sum = 0;
  Offer.is_one = false;
}

/**
 * A header is to speak of the log as it is now.
 *
 * @returns 0; -EOPNOTSUPP if none can
 */
export function begin_tie(): i64 {
  no_tie();
  if (!Passed.nr_sectors || !Passed.stamps || Passed.stamping) return -EOPNOTSUPP;
  const low = low_with(0);
  const anchor = anchor_at(low);
  Tie.nr_sectors = Passed.nr_sectors;
  Tie.stamps = Passed.stamps;
  Tie.low = low;
  if (anchor) {
    Tie.low = low_of(low, anchor);
    Tie.mark = anchor;
    Tie.mark_sum = kept_sum(anchor);
    Tie.high = Passed.nr ? high_behind(anchor, tail_with(0)) : anchor;
    if (Passed.nr && !Tie.mark_sum) return -EOPNOTSUPP;
  } else if (Passed.nr) {
    Tie.mark = position_of(Passed.nr - 1);
    Tie.mark_sum = sum_of(Passed.nr - 1);
    Tie.low = min(low, Tie.mark - 1);
    Tie.high = high_of(Tie.mark, tail_with(0));
  } else {
    Tie.high = Passed.base;
  }
  return Passed.end <= Tie.high && !(Tie.mark_sum & MAY_BE_LAST) ? 0 : -EOPNOTSUPP;
}

/** The log is as an unmount has left it: no checkpoint speaks of it until a record is written. */
export function end_tie(): void {
  if (!Tie.nr_sectors) return;
  Tie.high = Tie.low - 1;
  Passed.ended = Passed.end;
}

/** Writes what the header says of the log into the buffer. */
export function encode_tie(): void {
  store<u64>(BUFFER, Tie.nr_sectors, LIVE_OFFSET_LOG_SECTORS);
  store<u64>(BUFFER, Tie.low, LIVE_OFFSET_LOG_LOW);
  store<u64>(BUFFER, Tie.high, LIVE_OFFSET_LOG_HIGH);
  store<u64>(BUFFER, Tie.stamps, LIVE_OFFSET_LOG_STAMPS);
  store<u64>(BUFFER, Tie.mark, LIVE_OFFSET_LOG_MARK);
  store<u64>(BUFFER, Tie.mark_sum, LIVE_OFFSET_LOG_MARK_SUM);
}

/** Takes the same from there. */
export function load_tie(): void {
  Tie.nr_sectors = load<u64>(BUFFER, LIVE_OFFSET_LOG_SECTORS);
  Tie.low = load<u64>(BUFFER, LIVE_OFFSET_LOG_LOW);
  Tie.high = load<u64>(BUFFER, LIVE_OFFSET_LOG_HIGH);
  Tie.stamps = load<u64>(BUFFER, LIVE_OFFSET_LOG_STAMPS);
  Tie.mark = load<u64>(BUFFER, LIVE_OFFSET_LOG_MARK);
  Tie.mark_sum = load<u64>(BUFFER, LIVE_OFFSET_LOG_MARK_SUM);
  Offer.is_one = false;
}

/** May a log of so many sectors that ends there be the one of which the header speaks? */
export function is_end_tied(sectors: u64, end: u64): bool {
  return sectors == Tie.nr_sectors && end >= Tie.low && end <= Tie.high;
}

/** The sector that a mount elsewhere would have stamped; the log ends at `end`. */
export function stamp_wanted(end: u64): u64 {
  return max(end, Tie.stamps);
}

/** The sector that shows whether a record is ours; 0 if no record went yet. */
export function mark_wanted(): u64 {
  return Tie.mark;
}

/**
 * Is the sector at the mark, which is in memory there, as it may be? It has our record; or none, if that did not reach the disk, or
 * was never written.
 */
export function is_mark(at: usize): bool {
  if (!is_ahead_of_old(at, Tie.mark, Tie.nr_sectors)) return Tie.low <= Tie.mark;
  if (!Tie.mark_sum) return false;
  // Where it is the first record behind our stamps low is the same: then a mount elsewhere may have stamped this sector, as ours has.
  if (is_stamp(at, Tie.mark, Tie.nr_sectors)) return Tie.low < Tie.mark;
  return be32(at) == XFS_LOG_MAGIC && sum_at(at) == Tie.mark_sum;
}
