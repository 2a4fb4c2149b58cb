/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io/late.c - writes that come where nothing can be decided, since no lock that sleeps may be taken
 * there (compat_may_lock()): they are deferred for the worker, which decides as about any other
 * that is deferred.
 */
#ifndef DATTOBD_IO_LATE_H
#define DATTOBD_IO_LATE_H

#include <linux/bio.h>
#include <linux/spinlock.h>

struct volume;

/** struct late - What the worker is to decide about. */
struct late {
	raw_spinlock_t lock; /* bios */
	struct bio_list bios;
};

void late_init(struct late *late);
/* late_take() - Defer a write. Context: Any. */
void late_take(struct volume *vol, struct bio *bio);
/* late_decide() - Put what was deferred here before the worker. Context: Process context. */
void late_decide(struct volume *vol);

#endif
