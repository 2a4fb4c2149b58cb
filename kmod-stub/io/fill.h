/* SPDX-License-Identifier: GPL-2.0-only */
/* How full the COW file is, and the writes that a growth of it slows down. */
#ifndef DATTOBD_IO_FILL_H
#define DATTOBD_IO_FILL_H

#include <linux/wait.h>
#include <linux/workqueue.h>
#include "core/core.h"

/**
 * struct fill
 * @step: blocks that a growth adds; 0: the file does not grow by itself. Under core_lock
 * @next: position of the COW file whose use queues @work; under core_lock, as is @paused
 * @waits: how often writes may still wait for the growth that is under way; 0 if none is
 * @ended: woken at its end
 * @work: grows the file; set from above
 */
struct fill {
	u64 step;
	u64 next;
	bool paused;
	unsigned int waits;
	wait_queue_head_t ended;
	struct work_struct work;
};

/** struct fill_level - In blocks. */
struct fill_level {
	u64 end, used;
};

/** fill_level() - Context: core_lock. */
struct fill_level fill_level(struct core *core);
u64 fill_room(const struct fill_level *level);

/** fill_low_mark() - Less room than this is too little, blocks. */
u64 fill_low_mark(const struct fill *fill, const struct fill_level *level);

/** fill_wake_locked() - Look whether it must grow. Context: core_lock. */
void fill_wake_locked(struct fill *fill);

/** fill_note() - The copy at @position is made. Context: core_lock. */
static inline void fill_note(struct fill *fill, u64 position)
{
	if (unlikely(position >= fill->next))
		fill_wake_locked(fill);
}

/**
 * fill_yield() - Let a growth that is under way gain on the writes, for a moment.
 *
 * Context: The worker, about to copy.
 */
void fill_yield(struct fill *fill, struct core *core);

void fill_init(struct fill *fill);

#endif
