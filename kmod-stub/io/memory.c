// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include "io/memory.h"

#define ROOM_TRIES 50
#define ROOM_WAIT_MS 100

/* The core's size changes under core_lock, by one caller at a time, which has sections_lock. */
static int grow_memory(struct dattobd_device *dev)
{
	struct engine *engine;
	unsigned long flags;
	s64 bytes, ret;

	core_lock(dev, flags);
	engine = dev->engine;
	bytes = dev->error ?: engine_ask(engine, CORE_ROOM_WANTED, 0, 0, 0, U32_MAX);
	core_unlock(dev, flags);
	if (bytes < 0)
		return bytes;
	ret = engine_prepare(engine, bytes);
	if (ret)
		return ret;
	core_lock(dev, flags);
	ret = dev->error;
	if (!ret) {
		engine_let_grow(engine, bytes);
		ret = engine_ask(engine, CORE_ROOM_MAKE, 0, 0, 0, 0);
	}
	core_unlock(dev, flags);
	engine_settle(engine);
	return ret;
}

/* Memory that is asked for without waiting may be there a moment later: no series ends for that. */
int room_make(struct dattobd_device *dev)
{
	unsigned int tries = 0;
	int err;

	for (;;) {
		mutex_lock(&dev->sections_lock);
		err = grow_memory(dev);
		mutex_unlock(&dev->sections_lock);
		if (err != -ENOMEM || READ_ONCE(dev->error) || ++tries == ROOM_TRIES)
			return err;
		msleep(ROOM_WAIT_MS);
	}
}

s64 room_call(struct dattobd_device *dev, enum core_export export, u64 a, u64 b, s64 max)
{
	unsigned long flags;
	s64 ret;

	for (;;) {
		core_lock(dev, flags);
		ret = dev->error ?: engine_ask(dev->engine, export, a, b, 0, max);
		core_unlock(dev, flags);
		if (ret == CORE_STATUS_ROOM)
			ret = room_make(dev) ?: CORE_STATUS_ROOM;
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
