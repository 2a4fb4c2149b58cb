// SPDX-License-Identifier: GPL-2.0-only
#include <linux/err.h>
#include "core/core.h"
#include "log.h"

void core_print(struct core *core)
{
	struct core_report report = {};
	struct engine_report of_engine;
	unsigned long flags;

	core_lock(core, flags);
	of_engine = engine_take_report(core->engine);
	swap(report, core->report);
	core_unlock(core, flags);
	engine_print(&of_engine);
	if (report.what)
		pr_minor_err(core->minor, "failed, its origin goes on untracked: %s: %d",
			     report.what, report.error);
}

static void print_work(struct work_struct *work)
{
	core_print(container_of(work, struct core, report_work));
}

void core_init(struct core *core, unsigned int minor)
{
	core->minor = minor;
	compat_lock_init(&core->lock);
	mutex_init(&core->io_lock);
	INIT_WORK(&core->report_work, print_work);
}

void core_drop_engine(struct core *core)
{
	struct engine *engine = NULL;
	unsigned long flags;

	core_lock(core, flags);
	swap(engine, core->engine);
	core_unlock(core, flags);
	engine_destroy(engine);
}

void core_exit(struct core *core)
{
	flush_work(&core->report_work);
	core_drop_engine(core);
}

void core_fail_locked(struct core *core, int error, const char *what)
{
	if (core->error)
		return;
	WRITE_ONCE(core->error, error);
	core->report = (struct core_report){ error, what };
	queue_work(COMPAT_UNBOUND_WQ, &core->report_work);
	/* The worker lets the deferred writes go. */
	queue_work(core->wq, &core->work);
}

void core_fail(struct core *core, int error, const char *what)
{
	unsigned long flags;

	core_lock(core, flags);
	core_fail_locked(core, error, what);
	core_unlock(core, flags);
	if (in_task() && !irqs_disabled())
		core_print(core);
}

void core_end(struct core *core)
{
	unsigned long flags;

	core_lock(core, flags);
	if (!core->error)
		WRITE_ONCE(core->error, -ESHUTDOWN);
	core_unlock(core, flags);
}

u64 core_stat(struct core *core, enum core_stat field)
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
		now.fsize = core_stat(core, CORE_STAT_FSIZE);
		now.seqid = wasm_value(core->engine, CORE_STAT_SEQID);
		now.version = wasm_value(core->engine, CORE_STAT_VERSION);
		now.nr_changed = core_stat(core, CORE_STAT_NR_CHANGED);
	}
	/* A core that trapped says nothing any more. */
	if (core->error != -ENOTRECOVERABLE)
		core->counters = now;
	*counters = core->counters;
	core_unlock(core, flags);
	core_print(core);
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
