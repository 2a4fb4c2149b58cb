/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core of one device, shared by its writers, its worker and its requests: one lock, the first
 * error, and calls that check what comes back.
 */
#ifndef DATTOBD_CORE_CORE_H
#define DATTOBD_CORE_CORE_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "core/calls.h"

#define MIB (1024ULL * 1024)
#define CORE_SLICE_SECTORS (CORE_SLICE_BLOCKS * COW_BLOCK_SECTORS)

/** struct core_counters - What only the core knows, read at one moment. */
struct core_counters {
	u64 fsize, seqid, version, nr_changed;
};

/**
 * struct core_report - A failure that is not in the kernel's log yet. @what: NULL if there is none
 */
struct core_report {
	int error;
	const char *what;
};

/**
 * struct core
 * @lock: serialises calls of the core, and makes the decision about a write one step with the state
 * it rests on: mode, error and the registered reads. Interrupts are off under it, so that a write
 * may be submitted from any context.
 * @engine: under @lock
 * @nr_sectors: size of the origin that the core was made for
 * @snapshot_mode: else incremental; under @lock
 * @error: first errno that failed the device; set once, under @lock
 * @report, @report_work: a failure is printed without @lock, since a console may be slow; @report
 * is under @lock
 * @counters: the last good ones
 * @io_lock: one section load or write-back, or change of the memory's size, at a time
 * @wq, @work: the device's worker, which a failure wakes
 */
struct core {
	unsigned int minor;
	compat_lock_t lock;
	struct engine *engine;
	sector_t nr_sectors;
	bool snapshot_mode;
	int error;
	struct core_report report;
	struct work_struct report_work;
	struct core_counters counters;
	struct mutex io_lock; /* section I/O, the memory's size */
	struct workqueue_struct *wq;
	struct work_struct work;
};

#define core_lock(core, flags) compat_lock_irqsave(&(core)->lock, flags)
#define core_unlock(core, flags) compat_unlock_irqrestore(&(core)->lock, flags)

/*
 * Several at once, between core_locks_begin() and core_locks_end(). Nobody takes them in another
 * order, since @outer, a mutex, is held.
 */
#define core_locks_begin(flags) compat_locks_begin(flags)
#define core_lock_one_of(core, outer) compat_lock_one_of(&(core)->lock, outer)
#define core_unlock_one_of(core) compat_unlock_one_of(&(core)->lock)
#define core_locks_end(flags) compat_locks_end(flags)

void core_init(struct core *core, unsigned int minor);
void core_exit(struct core *core);

/** core_drop_engine() - Free the engine. Context: nobody else calls the core but core_print(). */
void core_drop_engine(struct core *core);

/**
 * core_fail() - Put the device in the failed state: the first errno is kept, deferred writes are
 * released, snapshot reads give -EIO, and the origin goes on untouched.
 *
 * Context: Any, core_lock not held.
 */
void core_fail(struct core *core, int error, const char *what);

/**
 * core_fail_locked() - The same, under core_lock. A work prints it, unless the caller does so by
 * core_print() before.
 */
void core_fail_locked(struct core *core, int error, const char *what);

/**
 * core_print() - Print why the device failed, or its core came to its end, if nobody has.
 *
 * Context: Process context, core_lock not held.
 */
void core_print(struct core *core);

/** core_end() - Nothing is deferred, copied or read any more from here on. */
void core_end(struct core *core);

void core_counters(struct core *core, struct core_counters *counters);

/**
 * core_stat() - A field of the core's state, for which wasm_stat() is right.
 *
 * Context: core_lock; core_print() afterwards. Return: its value; 0 after an error, which has
 * failed the device.
 */
u64 core_stat(struct core *core, enum core_stat field);

/** core_nr_blocks() - Blocks of the origin, a partial last one included. */
static inline u64 core_nr_blocks(const struct core *core)
{
	return DIV_ROUND_UP_ULL(core->nr_sectors, COW_BLOCK_SECTORS);
}

/**
 * core_slice() - How much of a range one call of the core may be asked about (docs/CORE.md).
 * @at, @count: the range, in blocks or sectors
 * @most: %CORE_SLICE_BLOCKS or %CORE_SLICE_SECTORS
 */
static inline u64 core_slice(u64 at, u64 count, u64 most)
{
	return min(count, most - at % most);
}

/**
 * core_ask() - Call an export under core_lock: core_ask(core, wasm_mark, sector, nr_sectors).
 *
 * Return: as the export, or the error of a failed device.
 */
#define core_ask(c, export, ...)                                                            \
	({                                                                                  \
		struct core *asked_core = (c);                                              \
		unsigned long asked_flags;                                                  \
		s64 asked_ret;                                                              \
		core_lock(asked_core, asked_flags);                                         \
		asked_ret = asked_core->error ?: export(asked_core->engine, ##__VA_ARGS__); \
		core_unlock(asked_core, asked_flags);                                       \
		asked_ret;                                                                  \
	})

/**
 * core_take() - The same for an export that leaves something in the buffer if it returns more than
 * 0: @bytes of it are copied to @to.
 */
#define core_take(c, to, bytes, export, ...)                                                    \
	({                                                                                      \
		struct core *taken_core = (c);                                                  \
		unsigned long taken_flags;                                                      \
		s64 taken_ret;                                                                  \
		core_lock(taken_core, taken_flags);                                             \
		taken_ret = taken_core->error ?: export(taken_core->engine, ##__VA_ARGS__);     \
		if (taken_ret > 0)                                                              \
			taken_ret =                                                             \
				engine_read_buffer(taken_core->engine, to, bytes) ?: taken_ret; \
		core_unlock(taken_core, taken_flags);                                           \
		taken_ret;                                                                      \
	})

/** core_give() - The same for an export that reads @bytes, copied from @from, in the buffer. */
#define core_give(c, from, bytes, export, ...)                                                     \
	({                                                                                         \
		struct core *given_core = (c);                                                     \
		unsigned long given_flags;                                                         \
		s64 given_ret;                                                                     \
		core_lock(given_core, given_flags);                                                \
		given_ret =                                                                        \
			given_core->error ?: engine_write_buffer(given_core->engine, from, bytes); \
		if (!given_ret)                                                                    \
			given_ret = export(given_core->engine, ##__VA_ARGS__);                     \
		core_unlock(given_core, given_flags);                                              \
		given_ret;                                                                         \
	})

/** core_distrust() - engine_distrust() under core_lock. */
int core_distrust(struct core *core, enum core_export export, s64 returned);

/**
 * core_read_plan() - Take over the runs of a plan for a read of the snapshot.
 * @count: how many
 * @head: first position that no copy has
 *
 * Context: core_lock. Return: 0; -%ENOTRECOVERABLE if it cannot be a plan.
 */
int core_read_plan(struct core *core, struct core_run *runs, unsigned int count, u64 head);

#endif
