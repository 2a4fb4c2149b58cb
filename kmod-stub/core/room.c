// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include "core/room.h"

#define ROOM_TRIES 50
#define ROOM_WAIT_MS 100

/* The core's size changes under core_lock, by one caller at a time, which has sections_lock. */
static int grow_memory(struct core *core)
{
	struct engine *engine;
	unsigned long flags;
	s64 bytes, ret;

	core_lock(core, flags);
	engine = core->engine;
	bytes = core->error ?: engine_ask(engine, CORE_ROOM_WANTED, 0, 0, 0, U32_MAX);
	core_unlock(core, flags);
	if (bytes < 0)
		return bytes;
	ret = engine_prepare(engine, bytes);
	if (ret)
		return ret;
	core_lock(core, flags);
	ret = core->error;
	if (!ret) {
		engine_let_grow(engine, bytes);
		ret = engine_ask(engine, CORE_ROOM_MAKE, 0, 0, 0, 0);
	}
	core_unlock(core, flags);
	engine_settle(engine);
	return ret;
}

/* Memory that is asked for without waiting may be there a moment later: no series ends for that. */
int room_make(struct core *core)
{
	unsigned int tries = 0;
	int err;

	for (;;) {
		mutex_lock(&core->io_lock);
		err = grow_memory(core);
		mutex_unlock(&core->io_lock);
		if (err != -ENOMEM || READ_ONCE(core->error) || ++tries == ROOM_TRIES)
			return err;
		msleep(ROOM_WAIT_MS);
	}
}

s64 room_call(struct core *core, enum core_export export, u64 a, u64 b, s64 max)
{
	unsigned long flags;
	s64 ret;

	for (;;) {
		core_lock(core, flags);
		ret = core->error ?: engine_ask(core->engine, export, a, b, 0, max);
		core_unlock(core, flags);
		if (ret == CORE_STATUS_ROOM)
			ret = room_make(core) ?: CORE_STATUS_ROOM;
		if (ret != CORE_STATUS_ROOM)
			return ret;
	}
}

s64 room_call_alone(struct engine *engine, enum core_export export, u64 a, u64 b, s64 max)
{
	s64 bytes, ret;

	while ((ret = engine_ask(engine, export, a, b, 0, max)) == CORE_STATUS_ROOM) {
		bytes = engine_ask(engine, CORE_ROOM_WANTED, 0, 0, 0, U32_MAX);
		ret = bytes < 0 ? bytes : engine_prepare(engine, bytes);
		if (ret)
			return ret;
		engine_let_grow(engine, bytes);
		ret = engine_ask(engine, CORE_ROOM_MAKE, 0, 0, 0, 0);
		engine_settle(engine);
		if (ret)
			return ret;
	}
	return ret;
}
