/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clean mark of a COW file: a checkpoint lies in it, and nothing was written to the origin
 * since. So a checkpoint that is found on disk covers all that was ever written to the origin, as
 * long as this module saw the writes (io/shutter.h).
 *
 *   none --> valid: by the worker, once every deferred write has gone; those that come are
 *                   deferred
 *   valid --> none: by the worker, for the first deferred write: the header block is written
 *                   without the checkpoint, or with a live one, durably, and only then does the
 *                   write go
 *   loading --> valid: a reload found a checkpoint that is right; a write that came meanwhile
 *                   passed, and spoils it
 */
#ifndef DATTOBD_IO_CLEAN_H
#define DATTOBD_IO_CLEAN_H

#include <linux/types.h>

struct volume;

enum clean_state {
	CLEAN_NONE, /* there is no checkpoint */
	CLEAN_WRITING, /* it is being written; every write to the origin is deferred */
	CLEAN_VALID, /* it is valid; the first write that comes is deferred until it is gone */
	CLEAN_LOADING, /* it is being read; a write that comes passes, and spoils it */
};

/**
 * struct clean - All under core_lock but the headers, which are the worker's.
 * @state: from and to CLEAN_VALID in the worker only, which alone lets deferred writes go
 * @wanted: the worker is to write a checkpoint
 * @spoiled: see CLEAN_LOADING
 * @error: of the last attempt to write one
 * @open_header: COW_HEADER_SIZE: the header block of a file without a checkpoint
 * @clean_header: the same with the checkpoint
 * @older_header: what was there before that was written
 * @former_header: that of a file which names the next one, where the checkpoint lies
 * @broken: jiffies, when the last checkpoint was removed; 0 if never
 */
struct clean {
	enum clean_state state;
	bool wanted, spoiled;
	int error;
	void *open_header, *clean_header, *older_header, *former_header;
	unsigned long broken;
};

int clean_init(struct clean *clean);
void clean_exit(struct clean *clean);

/**
 * clean_break() - Remove the checkpoint before a write goes, or make a live one of it (io/live.h).
 * On a failed device it is removed too: it must not outlive the writes that nobody tracks any more.
 * If the proof fails, it is void: what it is tied to has changed.
 *
 * Context: The worker.
 */
void clean_break(struct volume *vol);

/** clean_make() - Write the checkpoint, if that is wanted. Context: The worker. */
void clean_make(struct volume *vol);

#endif
