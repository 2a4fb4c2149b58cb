/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The live checkpoint: the COW file holds one that stays true while the origin is written to, so
 * that tracking goes on after a power cut (docs/CORE.md, "Live checkpoints").
 *
 *   on   the header on disk names a checkpoint and a dirty map. A write to a region that the map
 *        does not have is deferred until it does, durably; so is one that changes what the
 *        checkpoint says of the superblock, until the header says so
 *   off  there is none, or a clean one (io/clean.h)
 *
 * It goes on when one was made, or from a clean one when the origin is first written to. It goes
 * off before anything else becomes of the file, and before a write goes that nobody tracks: on a
 * failed device every write is deferred until it is off.
 */
#ifndef DATTOBD_IO_LIVE_H
#define DATTOBD_IO_LIVE_H

#include <linux/types.h>
#include "compat.h"

struct cow_file;
struct volume;

/* How far the next checkpoint is. */
enum live_step {
	LIVE_IDLE,
	LIVE_BEGIN,
	LIVE_SURVEY,
	LIVE_PIECES,
	LIVE_READY, /* all but map and header; for the next snapshot it waits for the freeze */
};

/**
 * struct live
 * @on, @switching: under core_lock; set in the worker, or before anybody writes. Switching: the
 * header is being written that will make it so
 * @renewing: under core_lock; the header is being written for a write that is deferred
 * @stuck: it could not be removed: that is tried again; the worker's
 * @wanted, @unwanted: the worker is to make one, to remove it; under core_lock
 * @paused: none is made, and one that was under way is given up; under core_lock
 * @step, @next, @left: the worker's, of the one that is being made
 * @made: jiffies, when the last one was, set with @on
 * @failed: when making one failed last, 0 if never
 * @next_file: the next snapshot's COW file, in which the next one is made; NULL: in the volume's
 * @moved: the one in force lies there
 * @frozen: the filesystem is frozen for the switch
 * @closed: the file of the snapshot before is closed, and the header is to say so; all four under
 * core_lock
 * @added: blocks that a reload after a power cut counted as changed because their region was
 * @seen, @changed: the watch's: blocks that were new at its last look, and since when
 */
struct live {
	bool on, switching, renewing, stuck;
	bool wanted, unwanted, paused;
	enum live_step step;
	u64 next, left;
	unsigned long made, failed;
	struct cow_file *next_file;
	bool moved, frozen, closed;
	u64 added;
	u64 seen;
	unsigned long changed;
};

/** live_possible() - Could there be one, as the device is now? Context: core_lock. */
bool live_possible(struct volume *vol);

/** live_busy() - Is one wanted, or being made? Context: Any but core_lock. */
bool live_busy(struct volume *vol);

/** live_want() - Have one made. Context: Any but core_lock. */
void live_want(struct volume *vol);

/**
 * live_loaded() - One was loaded after a power cut.
 * @added: blocks that count as changed since their region was written to
 *
 * Context: nobody writes yet, or nobody else calls the core.
 */
void live_loaded(struct volume *vol, u64 added);

/**
 * live_write_map() - Write blocks of the dirty map to @cow.
 * @flags: REQ_FUA, or 0 if they are flushed later
 *
 * Context: core.io_lock. Return: 0 or -errno.
 */
int live_write_map(struct volume *vol, struct cow_file *cow, blk_opf_t flags, u64 block,
		   unsigned int count);

/** live_end() - Remove it from disk, or fail the device. Context: the worker. */
void live_end(struct volume *vol);

/** live_forget() - There is none on disk any more. Context: the worker. */
void live_forget(struct volume *vol);

#endif
