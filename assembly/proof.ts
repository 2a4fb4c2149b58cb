// The proof that nobody wrote to the filesystem but through this core's device (docs/CORE.md): what every writing mount changes
// is looked at. The stub reads one block after the other, as they are wanted here.
//
//   ext4   block 0: every writing mount, and every tool that changes something, writes the superblock
//   XFS    block 0, and the log: a mount writes no superblock, but each transaction and each unmount a record into the log
//
// A whole look also takes the blocks where the log ends, which a mount stamps before anything else, and those behind block 0.

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  EINVAL,
  ENODATA,
  EOPNOTSUPP,
  EXDEV,
} from './layout';
import { is_ext, shows_mounts, superblock_identity } from './identity';
import { BUFFER, Device } from './memory';
import { Record, fold } from './record';
import { Log, is_log_elsewhere, is_xfs, log_block, log_cycle, log_forget, log_head, log_locate } from './xfs-log';
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
const DONE: u32 = 7;

/** The look that is under way. */
class Proof {
  static whole: bool = false;
  static step: u32 = 7;
  /** The block that is wanted; -errno if there can be no proof. */
  static wanted: i64 = 0;
  static sum: u64 = 0;
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
  if (Proof.whole) Record.filesystem = Proof.sum;
  Proof.step = DONE;
}

/** Wants the next of the first blocks from `block` on. */
function want_rest(block: u64): void {
  if (Proof.whole && block < min(FIRST_BLOCKS, Device.nr_sectors / BLOCK_SECTORS)) want(REST, block);
  else finish();
}

function refuse(errno: i64): void {
  log_forget();
  Proof.wanted = -errno;
}

function look_at_superblock(): void {
  Superblock.identity = superblock_identity();
  Superblock.shows_mounts = shows_mounts();
  if (is_ext()) return want_rest(1);
  if (!is_xfs()) return refuse(EOPNOTSUPP);
  if (is_log_elsewhere()) return refuse(EXDEV);
  if (!log_locate()) return refuse(EOPNOTSUPP);
  want(LOG_END, log_block(Log.nr_sectors - 1));
}

function log_found(): void {
  Proof.sum = fold(fold(fold(fold(Proof.sum, Log.start), Log.nr_sectors), Log.last), Log.cycle);
  if (Proof.whole) want(LAST_WRITTEN, log_block(Log.last));
  else finish();
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
 * @param whole 1 for all that a record is tied to; 0 for the superblock and where the log ends
 * @returns 0
 */
export function proof_begin(whole: i64): i64 {
  log_forget();
  Proof.whole = whole != 0;
  Proof.sum = 0;
  Superblock.identity = 0;
  if (Proof.whole) Record.filesystem = 0;
  want(SUPERBLOCK, 0);
  return 0;
}

/**
 * Returns which block of the origin is to be read next: at most 28 in all.
 *
 * @returns its number; -ENODATA after the last; -EOPNOTSUPP if there is no ext4 or XFS; -EXDEV if the log is elsewhere
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
  const sums = Proof.step == SUPERBLOCK || Proof.step >= LAST_WRITTEN;
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
    default:
      want_rest(block + 1);
  }
  return 0;
}
