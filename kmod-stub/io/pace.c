// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitmap.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include "compat.h"
#include "io/pace.h"

#define MINORS 256
#define WAITERS 64
#define PACE_WAIT HZ /* no writer may hang, whatever the disk does */

static DECLARE_BITMAP(full_kinds, 2 * MINORS);
static DECLARE_WAIT_QUEUE_HEAD(room);
/* Who waits, since the function that waits knows nothing but its task. */
static struct waiter {
	struct task_struct *task; /* NULL: free */
	unsigned int kind;
} waiters[WAITERS];

static unsigned int kind_of(unsigned int minor, bool urgent)
{
	return 2 * minor + urgent;
}

void pace_set(unsigned int minor, bool urgent, bool full)
{
	assign_bit(kind_of(minor, urgent), full_kinds, full);
}

void pace_wake(void)
{
	wake_up_all(&room);
}

/*
 * Not who frees memory by this write; nor a driver, whose bios are in a list of the task yet; nor
 * who has a transaction open, for which others wait; nor the thread that submits for all who are
 * throttled.
 */
bool pace_applies(const struct bio *bio)
{
	return in_task() && !irqs_disabled() && !(bio->bi_opf & REQ_NOWAIT) &&
	       !compat_bio_was_throttled(bio) && !(current->flags & PF_MEMALLOC) &&
	       !current->bio_list && !current->journal_info && !fatal_signal_pending(current);
}

bool pace_begin(unsigned int minor, bool urgent)
{
	unsigned int i;

	for (i = 0; i < WAITERS; i++) {
		if (!cmpxchg(&waiters[i].task, NULL, current)) {
			waiters[i].kind = kind_of(minor, urgent);
			return true;
		}
	}
	return false;
}

static struct waiter *waiter_of(const struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < WAITERS; i++) {
		if (READ_ONCE(waiters[i].task) == task)
			return &waiters[i];
	}
	return NULL;
}

noinline void pace_wait(void)
{
	struct waiter *waiter = waiter_of(current);

	if (WARN_ON_ONCE(!waiter))
		return;
	wait_event_killable_timeout(room, !test_bit(waiter->kind, full_kinds), PACE_WAIT);
	smp_store_release(&waiter->task, NULL); /* it is read no more */
}

static bool anybody_waits(void)
{
	unsigned int i;

	for (i = 0; i < WAITERS; i++) {
		if (READ_ONCE(waiters[i].task))
			return true;
	}
	return false;
}

void pace_end(void)
{
	while (anybody_waits())
		schedule_timeout_uninterruptible(HZ / 100);
}
