// The proof that nobody wrote to the filesystem but through this core's device (docs/CORE.md): what every writing mount changes
// is looked at. The stub reads one block after the other, as they are wanted here.
//
//   ext4   block 0: every writing mount, and every tool that changes something, writes the superblock
//   XFS    block 0, and the log: a mount writes no superblock, but each transaction and each unmount a record into the log
//
// A whole look also takes the blocks where the log ends, which a mount stamps before anything else, and those behind block 0.
// For live checkpoints there are two more: how far a mount has stamped the log, while it may grow; and whether it is the log of
// which the checkpoint speaks that is being loaded (live-log.ts).

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  EINVAL,
  ENODATA,
  EOPNOTSUPP,
  EXDEV,
  PROOF_END,
  PROOF_STAMPS,
  PROOF_TIE,
  PROOF_WHOLE,
} from './layout';
import { is_ext, shows_mounts, superblock_identity } from './identity';
import { is_end_tied, is_mark, mark_wanted, stamp_wanted } from './live-log';
import { Passed, STAMPS_MAX, is_ahead_of_old, take_stamps } from './log-writes';
import { BUFFER, Device } from './memory';
import { Record, fold } from './record';
import {
  Log,
  is_log_elsewhere,
  is_log_of_version_2,
  is_xfs,
  log_address,
  log_block,
  log_cycle,
  log_end,
  log_forget,
  log_head,
  log_locate,
} from './xfs-log';
import { xxh64 } from './xxh64';

/** Superblock and what lies behind it: group descriptors of ext4, headers of XFS's first allocation group. */
const FIRST_BLOCKS: u64 = 4;

/** What is looked at next. */
const SUPERBLOCK: u32 = 0;
const LOG_END: u32 = 1;
const LOG_START: u32 = 2;
/** Halves what is left of the log, until its end is found. */
const LOG_MIDDLE: u32 = 3;
const LAST_WRITTEN: u32 = 4;
const NEXT_WRITTEN: u32 = 5;
const REST: u32 = 6;
/** The sector behind all that may be stamped; then what is left is halved, until the end of the stamps is found. */
const STAMPS_END: u32 = 7;
const STAMPS_MIDDLE: u32 = 8;
/** The sector that a mount elsewhere would have stamped, and the one that has our record. */
const STAMP: u32 = 9;
const MARK: u32 = 10;
const DONE: u32 = 11;

/** The look that is under way. */
class Proof {
  /** PROOF_* */
  static kind: u64 = 0;
  static step: u32 = 11;
  /** The block that is wanted; -errno if there can be no proof. */
  static wanted: i64 = 0;
  static sum: u64 = 0;
  /** Positions of the log: what lies at the first is stamped, or newer; what lies at the other is old. */
  static ahead: u64 = 0;
  static old: u64 = 0;
  static tied: bool = false;
}

/** Identity of the superblock that was looked at last; 0 if it is none that is known. */
export class Superblock {
  static identity: u64 = 0;
  /** Would a mount elsewhere have changed it? */
  static shows_mounts: bool = false;
}

/** Goes on to a step, which wants that block. */
function want(step: u32, block: u64): void {
  Proof.step = step;
  Proof.wanted = block;
}

function finish(): void {
  if (Proof.kind == PROOF_WHOLE) Record.filesystem = Proof.sum;
  Proof.step = DONE;
}

/** Wants the next of the first blocks from `block` on. */
function want_rest(block: u64): void {
  if (Proof.kind == PROOF_WHOLE && block < min(FIRST_BLOCKS, Device.nr_sectors / BLOCK_SECTORS)) want(REST, block);
  else finish();
}

function refuse(errno: i64): void {
  log_forget();
  Proof.wanted = -errno;
}

function look_at_superblock(): void {
  Superblock.identity = superblock_identity();
  Superblock.shows_mounts = shows_mounts();
  if (is_ext()) {
    Proof.tied = Proof.kind == PROOF_TIE;
    return want_rest(1);
  }
  if (!is_xfs()) return refuse(EOPNOTSUPP);
  if (is_log_elsewhere()) return refuse(EXDEV);
  if (!log_locate()) return refuse(EOPNOTSUPP);
  if (Proof.kind >= PROOF_STAMPS && !is_log_of_version_2()) return refuse(EOPNOTSUPP);
  if (Proof.kind == PROOF_STAMPS) return look_for_stamps();
  want(LOG_END, log_block(Log.nr_sectors - 1));
}

function log_found(): void {
  Proof.sum = fold(fold(fold(fold(Proof.sum, Log.start), Log.nr_sectors), Log.last), Log.cycle);
  if (Proof.kind == PROOF_WHOLE) want(LAST_WRITTEN, log_block(Log.last));
  else if (Proof.kind == PROOF_TIE) look_at_tie();
  else finish();
}

/** Returns the block in which a position of the log lies. */
@inline
function position_block(position: u64): u64 {
  return log_block(position % Log.nr_sectors);
}

/** Returns where the sector at a position of the log lies, whose block is in the buffer. */
@inline
function position_address(position: u64): usize {
  return log_address(position % Log.nr_sectors);
}

/** What went to the log says where it ends, at least. */
function look_for_stamps(): void {
  if (Log.nr_sectors != Passed.nr_sectors) return refuse(EOPNOTSUPP);
  Proof.ahead = Passed.end - 1;
  Proof.old = Passed.end + STAMPS_MAX;
  want(STAMPS_END, position_block(Proof.old));
}

function is_ahead(position: u64): bool {
  return is_ahead_of_old(position_address(position), position, Log.nr_sectors);
}

/** Halves what is left, as want_middle() does. */
function want_stamp(at_hand: u64): void {
  while (Proof.old - Proof.ahead > 1) {
    const middle = Proof.ahead + (Proof.old - Proof.ahead) / 2;
    if (position_block(middle) != at_hand) return want(STAMPS_MIDDLE, position_block(middle));
    if (is_ahead(middle)) Proof.ahead = middle;
    else Proof.old = middle;
  }
  take_stamps(Proof.old);
  finish();
}

function look_at_tie(): void {
  if (is_end_tied(Log.nr_sectors, log_end())) want(STAMP, position_block(stamp_wanted(log_end())));
  else finish();
}

function look_at_stamp(): void {
  // Not even a record of ours may be there: with gaps in the log it could be another's.
  if (is_ahead(stamp_wanted(log_end()))) return finish();
  const mark = mark_wanted();
  if (mark) return want(MARK, position_block(mark));
  Proof.tied = true;
  finish();
}

function look_at_mark(): void {
  Proof.tied = is_mark(position_address(mark_wanted()));
  finish();
}

/** Is the log that was looked at last the one of which the checkpoint speaks? */
export function is_log_tied(): bool {
  return Proof.tied;
}

/** The first sector of the log is at hand. */
function look_at_log_start(): void {
  Log.cycle = log_cycle(0);
  if (Log.cycle == Log.end_cycle) {
    Log.last = Log.nr_sectors - 1;
    return log_found();
  }
  Log.last = 0;
  Log.high = Log.nr_sectors - 1;
  want_middle(log_block(0));
}

/** Halves what is left, as long as its middle is in the block at hand; wants another one for the rest. */
function want_middle(at_hand: u64): void {
  while (Log.high - Log.last > 1) {
    const middle = Log.last + (Log.high - Log.last) / 2;
    if (log_block(middle) != at_hand) return want(LOG_MIDDLE, log_block(middle));
    const cycle = log_cycle(middle);
    if (cycle == Log.end_cycle) {
      Log.high = middle;
    } else {
      Log.last = middle;
      Log.cycle = cycle;
    }
  }
  log_found();
}

/**
 * Begins a look at what a mount elsewhere would change.
 *
 * @param kind PROOF_END: the superblock and where the log ends; PROOF_WHOLE: all that a record is tied to; PROOF_STAMPS: how far
 *   the log is stamped; PROOF_TIE: what the live checkpoint that is being loaded is tied to
 * @returns 0; -EINVAL for another kind
 */
export function proof_begin(kind: i64): i64 {
  if (<u64>kind > PROOF_TIE) return -EINVAL;
  log_forget();
  Proof.kind = kind;
  Proof.sum = 0;
  Proof.tied = false;
  Superblock.identity = 0;
  if (kind == PROOF_WHOLE) Record.filesystem = 0;
  want(SUPERBLOCK, 0);
  return 0;
}

/**
 * Returns which block of the origin is to be read next: at most 28 in all.
 *
 * @returns its number; -ENODATA after the last; -EOPNOTSUPP if there is no ext4 or XFS,
 *   or no end of its stamps; -EXDEV if the log is elsewhere
 */
export function proof_next(): i64 {
  return Proof.step == DONE ? -ENODATA : Proof.wanted;
}

/**
 * Takes the block that was wanted.
 *
 * @param bytes 4096, in the buffer; 0 if the block is the COW file's, and no part of the proof
 * @returns 0; -EINVAL for another number, or if none is wanted
 */
export function proof_block(bytes: i64): i64 {
  if (Proof.step == DONE || Proof.wanted < 0) return -EINVAL;
  if (bytes != BLOCK_BYTES && (bytes || Proof.step != REST)) return -EINVAL;
  const block = <u64>Proof.wanted;
  const sums = Proof.step == SUPERBLOCK || (Proof.step >= LAST_WRITTEN && Proof.step <= REST);
  if (sums && bytes) Proof.sum = fold(Proof.sum, xxh64(BUFFER, BUFFER + BLOCK_BYTES));
  switch (Proof.step) {
    case SUPERBLOCK:
      look_at_superblock();
      break;
    case LOG_END:
      Log.end_cycle = log_cycle(Log.nr_sectors - 1);
      want(LOG_START, log_block(0));
      break;
    case LOG_START:
      look_at_log_start();
      break;
    case LOG_MIDDLE:
      want_middle(block);
      break;
    case LAST_WRITTEN:
      want(NEXT_WRITTEN, log_block(log_head()));
      break;
    case NEXT_WRITTEN:
      want_rest(1);
      break;
    case STAMPS_END:
      if (is_ahead(Proof.old)) refuse(EOPNOTSUPP);
      else want_stamp(block);
      break;
    case STAMPS_MIDDLE:
      want_stamp(block);
      break;
    case STAMP:
      look_at_stamp();
      break;
    case MARK:
      look_at_mark();
      break;
    default:
      want_rest(block + 1);
  }
  return 0;
}
