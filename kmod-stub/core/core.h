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
#include "core/engine.h"

#define MIB (1024ULL * 1024)

/** struct core_counters - What only the core knows, read at one moment. */
struct core_counters {
	u64 fsize, seqid, version, nr_changed;
};

/**
 * struct core
 * @lock: serialises calls of the core, and makes the decision about a write one step with the
 * state it rests on: mode, error and the registered reads. Interrupts are off under it, so that a
 * write may be submitted from any context.
 * @engine, @buffer_address, @runs_address: under @lock; the areas are the same for every engine
 * @nr_sectors: size of the origin that the core was made for
 * @snapshot_mode: else incremental; under @lock
 * @error: first errno that failed the device; set once, under @lock
 * @counters: the last good ones
 * @io_lock: one section load or write-back, or change of the memory's size, at a time
 * @wq, @work: the device's worker, which a failure wakes
 */
struct core {
	unsigned int minor;
	compat_lock_t lock;
	struct engine *engine;
	u64 buffer_address, runs_address;
	sector_t nr_sectors;
	bool snapshot_mode;
	int error;
	struct core_counters counters;
	struct mutex io_lock;
	struct workqueue_struct *wq;
	struct work_struct work;
};

#define core_lock(core, flags) compat_lock_irqsave(&(core)->lock, flags)
#define core_unlock(core, flags) compat_unlock_irqrestore(&(core)->lock, flags)

void core_init(struct core *core, unsigned int minor);
void core_exit(struct core *core);

/** core_set_engine() - Go on with another engine. Context: core_lock, or nobody else knows @core. */
void core_set_engine(struct core *core, struct engine *engine);

/**
 * core_fail() - Put the device in the failed state: the first errno is kept, held writes are
 * released, snapshot reads give -EIO, and the origin goes on untouched.
 *
 * Context: Any, core_lock not held.
 */
void core_fail(struct core *core, int error, const char *what);

/** core_fail_locked() - The same, under core_lock. */
void core_fail_locked(struct core *core, int error, const char *what);

/** core_end() - Nothing is held, copied or read any more from here on. */
void core_end(struct core *core);

void core_counters(struct core *core, struct core_counters *counters);

/** core_nr_blocks() - Blocks of the origin, a partial last one included. */
static inline u64 core_nr_blocks(const struct core *core)
{
	return DIV_ROUND_UP_ULL(core->nr_sectors, COW_BLOCK_SECTORS);
}

/** core_nr_sections() - Sections of the index, at most. */
u64 core_nr_sections(const struct core *core);

/**
 * core_ask() - engine_ask() under core_lock.
 *
 * Return: as engine_ask(), or the error of a failed device.
 */
s64 core_ask(struct core *core, enum core_export export, u64 a, u64 b, u64 c, s64 max);

/** core_buffer() - The first @bytes of the core's buffer, or NULL. Context: core_lock. */
void *core_buffer(struct core *core, size_t bytes);

/**
 * core_take() - Call an export that leaves its result in the buffer.
 * @size: room at @to, bytes
 *
 * Return: bytes of the result, or as core_ask().
 */
s64 core_take(struct core *core, enum core_export export, u64 argument, void *to, size_t size);

/** core_give() - Call an export that takes @bytes bytes in the buffer. Return: as core_ask(). */
s64 core_give(struct core *core, enum core_export export, u64 argument, const void *from,
	      size_t bytes, s64 max);

/**
 * core_read_plan() - Take over the runs of a plan for a read of the snapshot.
 * @count: how many
 * @head: first position that no copy has
 *
 * Context: core_lock. Return: 0; -%ENOTRECOVERABLE if it cannot be a plan.
 */
int core_read_plan(struct core *core, struct core_run *runs, unsigned int count, u64 head);

#endif
