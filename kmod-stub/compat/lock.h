/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks that are taken inside the tracer's callback.
 *
 * They are raw, but on a real-time kernel they sleep, as nothing that is done inside them is short
 * enough there. A callback may do that: it is inside rcu_read_lock(), and a device that it can
 * find is taken from it, with a grace period of RCU, before the tracer is left. The tracer itself
 * does not wait for who sleeps in a callback (synchronize_rcu_tasks()). Another tracer of the same
 * function may turn preemption off around the callback: then the locks may not be taken, see
 * compat_may_lock().
 */
#ifndef DATTOBD_COMPAT_LOCK_H
#define DATTOBD_COMPAT_LOCK_H

#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#ifdef CONFIG_PREEMPT_RT
#define compat_lock_t spinlock_t
#define compat_lock_init(lock) spin_lock_init(lock)
#define compat_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define compat_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define compat_locks_begin(flags) ((flags) = 0)
#define compat_lock_nested(lock, outer) spin_lock_nest_lock(lock, outer)
#define compat_unlock_nested(lock) spin_unlock(lock)
#define compat_locks_end(flags) ((void)(flags))
#else
#define compat_lock_t raw_spinlock_t
#define compat_lock_init(lock) raw_spin_lock_init(lock)
#define compat_lock_irqsave(lock, flags) raw_spin_lock_irqsave(lock, flags)
#define compat_unlock_irqrestore(lock, flags) raw_spin_unlock_irqrestore(lock, flags)
#define compat_locks_begin(flags) local_irq_save(flags)
#define compat_lock_nested(lock, outer) raw_spin_lock_nest_lock(lock, outer)
#define compat_unlock_nested(lock) raw_spin_unlock(lock)
#define compat_locks_end(flags) local_irq_restore(flags)
#endif

/*
 * compat_lock_one_of(), compat_unlock_one_of() - Several at once, between compat_locks_begin() and
 * compat_locks_end(). Sparse cannot count them.
 * @outer: held by all who take several
 */
static inline void compat_lock_one_of(compat_lock_t *lock, struct mutex *outer)
{
	compat_lock_nested(lock, outer);
	__release(lock);
}

static inline void compat_unlock_one_of(compat_lock_t *lock)
{
	__acquire(lock);
	compat_unlock_nested(lock);
}

/* compat_may_lock() - May these locks be taken here? */
static inline bool compat_may_lock(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

#endif
