// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include "core/room.h"

#define ROOM_TRIES 50
#define ROOM_WAIT_MS 100

/* The core's size changes under core_lock, by one caller at a time, which has core.io_lock. */
static int grow_memory(struct core *core)
{
	struct engine *engine;
	unsigned long flags;
	s64 bytes, ret;

	core_lock(core, flags);
	engine = core->engine;
	bytes = core->error ?: wasm_room_wanted(engine);
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
		ret = wasm_room_make(engine);
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

/* Each time there is room for the bits of a chunk more. */
static bool is_insatiable(const struct engine *engine, unsigned int *tries)
{
	return (*tries)++ > engine_nr_chunks(engine) + 2;
}

int room_again(struct core *core, unsigned int *tries)
{
	unsigned long flags;
	int err = 0;

	core_lock(core, flags);
	if (is_insatiable(core->engine, tries))
		err = engine_distrust(core->engine, CORE_ROOM_MAKE, CORE_STATUS_ROOM);
	core_unlock(core, flags);
	return err ?: room_make(core);
}

int room_again_alone(struct engine *engine, unsigned int *tries)
{
	s64 bytes, ret;

	if (is_insatiable(engine, tries))
		return engine_distrust(engine, CORE_ROOM_MAKE, CORE_STATUS_ROOM);
	bytes = wasm_room_wanted(engine);
	ret = bytes < 0 ? bytes : engine_prepare(engine, bytes);
	if (ret)
		return ret;
	engine_let_grow(engine, bytes);
	ret = wasm_room_make(engine);
	engine_settle(engine);
	return ret;
}
