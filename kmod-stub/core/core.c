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

void core_fail_locked(struct core *core, int error, const char *what)
{
	if (core->error)
		return;
	WRITE_ONCE(core->error, error);
	pr_minor_err(core->minor, "failed, its origin goes on untracked: %s: %d", what, error);
	/* The worker lets the deferred writes go. */
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

static u64 stat(struct core *core, enum core_stat field)
{
	s64 ret = wasm_stat(core->engine, field);

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
		now.fsize = stat(core, CORE_STAT_FSIZE);
		now.seqid = wasm_value(core->engine, CORE_STAT_SEQID);
		now.version = wasm_value(core->engine, CORE_STAT_VERSION);
		now.nr_changed = stat(core, CORE_STAT_NR_CHANGED);
	}
	/* A core that trapped says nothing any more. */
	if (core->error != -ENOTRECOVERABLE)
		core->counters = now;
	*counters = core->counters;
	core_unlock(core, flags);
}

int core_distrust(struct core *core, enum core_export export, s64 returned)
{
	unsigned long flags;
	int err;

	core_lock(core, flags);
	err = engine_distrust(core->engine, export, returned);
	core_unlock(core, flags);
	return err;
}

int core_read_plan(struct core *core, struct core_run *runs, unsigned int count, u64 head)
{
	int err = engine_read_runs(core->engine, runs, count);
	unsigned int i;

	if (err)
		return err;
	for (i = 0; i < count; i++) {
		u64 start = le64_to_cpu(runs[i].start), run = le32_to_cpu(runs[i].count);
		bool copied = le32_to_cpu(runs[i].kind) == CORE_RUN_COW;

		if (!run || (copied && (start >= head || run > head - start)))
			return engine_distrust(core->engine, CORE_PLAN_READ, count);
	}
	return 0;
}
