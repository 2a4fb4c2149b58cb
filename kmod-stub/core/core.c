// SPDX-License-Identifier: GPL-2.0-only
#include <linux/err.h>
#include "core/core.h"
#include "log.h"

void core_init(struct core *core, unsigned int minor)
{
	core->minor = minor;
	compat_lock_init(&core->lock);
	mutex_init(&core->io_lock);
}

void core_exit(struct core *core)
{
	engine_destroy(core->engine);
}

void core_set_engine(struct core *core, struct engine *engine)
{
	core->engine = engine;
	core->buffer_address = engine_call(engine, CORE_BUFFER_ADDRESS, 0, 0, 0);
	core->runs_address = engine_call(engine, CORE_RUNS_ADDRESS, 0, 0, 0);
}

void core_fail_locked(struct core *core, int error, const char *what)
{
	if (core->error)
		return;
	WRITE_ONCE(core->error, error);
	pr_minor_err(core->minor, "failed, its origin goes on untracked: %s: %d", what, error);
	/* The worker lets the held writes go. */
	queue_work(core->wq, &core->work);
}

void core_fail(struct core *core, int error, const char *what)
{
	unsigned long flags;

	core_lock(core, flags);
	core_fail_locked(core, error, what);
	core_unlock(core, flags);
}

void core_end(struct core *core)
{
	unsigned long flags;

	core_lock(core, flags);
	if (!core->error)
		WRITE_ONCE(core->error, -ESHUTDOWN);
	core_unlock(core, flags);
}

static u64 stat(struct core *core, enum core_stat field, s64 max)
{
	s64 ret = engine_ask(core->engine, CORE_STAT, field, 0, 0, max);

	if (ret >= 0)
		return ret;
	core_fail_locked(core, ret, "the core could not be asked for its state");
	return 0;
}

void core_counters(struct core *core, struct core_counters *counters)
{
	struct core_counters now;
	unsigned long flags;

	core_lock(core, flags);
	if (core->error != -ENOTRECOVERABLE) {
		now.fsize = stat(core, CORE_STAT_FSIZE, S64_MAX);
		now.seqid = engine_call(core->engine, CORE_STAT, CORE_STAT_SEQID, 0, 0);
		now.version = engine_call(core->engine, CORE_STAT, CORE_STAT_VERSION, 0, 0);
		now.nr_changed = stat(core, CORE_STAT_NR_CHANGED, core_nr_blocks(core));
	}
	/* A core that trapped says nothing any more. */
	if (core->error != -ENOTRECOVERABLE)
		core->counters = now;
	*counters = core->counters;
	core_unlock(core, flags);
}

s64 core_ask(struct core *core, enum core_export export, u64 a, u64 b, u64 c, s64 max)
{
	unsigned long flags;
	s64 ret;

	core_lock(core, flags);
	ret = core->error ?: engine_ask(core->engine, export, a, b, c, max);
	core_unlock(core, flags);
	return ret;
}

void *core_buffer(struct core *core, size_t bytes)
{
	return engine_memory(core->engine, CORE_BUFFER_ADDRESS, core->buffer_address, bytes);
}

s64 core_take(struct core *core, enum core_export export, u64 argument, void *to, size_t size)
{
	const void *buffer;
	unsigned long flags;
	s64 ret;

	core_lock(core, flags);
	ret = core->error ?: engine_ask(core->engine, export, argument, 0, 0, size);
	if (ret > 0) {
		buffer = core_buffer(core, ret);
		if (buffer)
			memcpy(to, buffer, ret);
		else
			ret = -ENOTRECOVERABLE;
	}
	core_unlock(core, flags);
	return ret;
}

s64 core_give(struct core *core, enum core_export export, u64 argument, const void *from,
	      size_t bytes, s64 max)
{
	unsigned long flags;
	void *buffer;
	s64 ret;

	core_lock(core, flags);
	ret = core->error;
	if (!ret) {
		buffer = core_buffer(core, bytes);
		if (buffer && bytes)
			memcpy(buffer, from, bytes);
		ret = buffer ? engine_ask(core->engine, export, argument, 0, 0, max) :
			       -ENOTRECOVERABLE;
	}
	core_unlock(core, flags);
	return ret;
}

u64 core_nr_sections(const struct core *core)
{
	return DIV_ROUND_UP_ULL(core_nr_blocks(core), COW_SECTION_BYTES / sizeof(__le64));
}

int core_read_plan(struct core *core, struct core_run *runs, unsigned int count, u64 head)
{
	size_t bytes = count * sizeof(*runs);
	const void *from =
		engine_memory(core->engine, CORE_RUNS_ADDRESS, core->runs_address, bytes);
	unsigned int i;

	if (!from)
		return -ENOTRECOVERABLE;
	memcpy(runs, from, bytes);
	for (i = 0; i < count; i++) {
		u64 start = le64_to_cpu(runs[i].start), run = le32_to_cpu(runs[i].count);
		bool copied = le32_to_cpu(runs[i].kind) == CORE_RUN_COW;

		if (!run || (copied && (start >= head || run > head - start)))
			return engine_distrust(core->engine, CORE_PLAN_READ, count);
	}
	return 0;
}
