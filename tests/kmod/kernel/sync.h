/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks, counters and waits, for one thread. A lock that is taken twice, or released without being
 * held, ends the program. So does a wait without an end: wait_step() does the work of others
 * meanwhile, and a waiter looks at its condition again only after a wake-up. Others may also come
 * between, wherever no lock is held.
 */
#ifndef KERNEL_SYNC_H
#define KERNEL_SYNC_H

/* wait_step() - Do one thing that may wake a waiter. Return: false if there is none. */
static bool (*wait_step)(void);
static void (*unlocked)(void) __maybe_unused; /* called once the last lock was released; or NULL */

static inline void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

typedef struct {
	bool held;
} spinlock_t, raw_spinlock_t, compat_lock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = false;
}

static unsigned int locks_held;

static inline void spin_lock_irq(spinlock_t *lock)
{
	expect(!lock->held, "a lock is taken twice");
	lock->held = true;
	locks_held++;
}

static inline void spin_unlock_irq(spinlock_t *lock)
{
	expect(lock->held, "a lock is not held");
	lock->held = false;
	if (!--locks_held && unlocked)
		unlocked();
}

#define spin_lock(lock) spin_lock_irq(lock)
#define spin_unlock(lock) spin_unlock_irq(lock)
#define spin_lock_irqsave(lock, flags) ((flags) = 0, spin_lock_irq(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock_irq(lock))
#define raw_spin_lock_init(lock) spin_lock_init(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define compat_lock_init(lock) spin_lock_init(lock)
#define compat_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define compat_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)

typedef struct {
	int count;
} atomic_t;

typedef struct {
	s64 count;
} atomic64_t;

#define ATOMIC_INIT(number) \
	{                   \
		(number)    \
	}

static inline void atomic_set(atomic_t *atomic, int count)
{
	atomic->count = count;
}

static inline int atomic_read(const atomic_t *atomic)
{
	return atomic->count;
}

static inline void atomic_inc(atomic_t *atomic)
{
	atomic->count++;
}

static inline bool atomic_dec_and_test(atomic_t *atomic)
{
	expect(atomic->count > 0, "a counter falls below zero");
	return !--atomic->count;
}

#define cmpxchg(place, old, new)             \
	({                                   \
		__auto_type was_ = *(place); \
		if (was_ == (old))           \
			*(place) = (new);    \
		was_;                        \
	})

typedef struct {
	spinlock_t lock;
	unsigned long wakes;
} wait_queue_head_t;

static inline void init_waitqueue_head(wait_queue_head_t *queue)
{
	queue->lock.held = false;
	queue->wakes = 0;
}

static inline void wake_up_all(wait_queue_head_t *queue)
{
	queue->wakes++;
}

static inline void wake_up_all_locked(wait_queue_head_t *queue)
{
	expect(queue->lock.held, "the lock of a queue is not held");
	queue->wakes++;
}

static inline void wait_for_wake(const wait_queue_head_t *queue)
{
	unsigned long wakes = queue->wakes;

	while (queue->wakes == wakes)
		expect(wait_step && wait_step(), "a wait has no end");
}

#define wait_event(queue, condition)             \
	do {                                     \
		while (!(condition))             \
			wait_for_wake(&(queue)); \
	} while (0)

/* It times out after one step. */
#define wait_event_timeout(queue, condition, timeout) \
	do {                                          \
		if (!(condition) && wait_step)        \
			wait_step();                  \
	} while (0)

#define wait_event_killable_timeout(queue, condition, timeout)            \
	({                                                                \
		if (!(condition) && !task_killed && wait_step)            \
			wait_step();                                      \
		(condition) ? 1L : task_killed ? (long)-ERESTARTSYS : 0L; \
	})

#define HZ 250
static unsigned long jiffies __maybe_unused;
#define time_before(a, b) ((long)((a) - (b)) < 0)
#define ERESTARTSYS 512
#define PF_WQ_WORKER 0x20

struct completion {
	bool done;
};

static inline void init_completion(struct completion *completion)
{
	completion->done = false;
}

static inline void complete(struct completion *completion)
{
	completion->done = true;
}

static inline bool completion_done(const struct completion *completion)
{
	return completion->done;
}

static inline void wait_for_completion_io(struct completion *completion)
{
	while (!completion->done)
		expect(wait_step && wait_step(), "a wait has no end");
}

struct mutex {
	spinlock_t lock;
};

struct work_struct {
	void (*run)(struct work_struct *work);
};

typedef struct {
	int count;
} refcount_t;

static inline void refcount_set(refcount_t *refcount, int count)
{
	refcount->count = count;
}

static inline bool refcount_dec_and_test(refcount_t *refcount)
{
	expect(refcount->count > 0, "a counter falls below zero");
	return !--refcount->count;
}

struct workqueue_struct {
	unsigned int queued; /* calls of queue_work() */
	struct work_struct *work; /* of the last */
};

static inline void queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	wq->work = work;
	wq->queued++;
}

#define INIT_WORK(work, function) ((work)->run = (function))
#define WQ_MEM_RECLAIM 1
#define WQ_UNBOUND 2

struct delayed_work {
	struct work_struct work;
};

struct task_struct {
	unsigned int flags;
};

static struct task_struct task __maybe_unused;
static bool task_killed __maybe_unused;

static bool may_lock __maybe_unused = true; /* else a writer runs where no lock may be taken */

#define current (&task)
#define compat_may_lock() may_lock
#define cond_resched() ((void)0)
#define fatal_signal_pending(whose) ((void)(whose), task_killed)

#endif
