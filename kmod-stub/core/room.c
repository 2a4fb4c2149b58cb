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

int room_make_alone(struct engine *engine)
{
	s64 bytes = wasm_room_wanted(engine);
	s64 ret = bytes < 0 ? bytes : engine_prepare(engine, bytes);

	if (ret)
		return ret;
	engine_let_grow(engine, bytes);
	ret = wasm_room_make(engine);
	engine_settle(engine);
	return ret;
}
