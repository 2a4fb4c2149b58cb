// SPDX-License-Identifier: GPL-2.0-only
#include "core/core.h"
#include "io/fill.h"

#define LOW_MAX (256 * MIB / COW_BLOCK_SIZE)
#define WAIT_JIFFIES (HZ / 10)

u64 fill_room(const struct fill_level *level)
{
	return level->end - min(level->end, level->used);
}

u64 fill_low_mark(const struct fill *fill, const struct fill_level *level)
{
	return max(min(fill->step, level->end / 2), min(level->end / 4, LOW_MAX));
}

struct fill_level fill_level(struct core *core)
{
	s64 bytes = wasm_stat(core->engine, CORE_STAT_FSIZE);
	s64 used = wasm_stat(core->engine, CORE_STAT_FPOS);

	/* A core that has come to its end fails its device soon, and needs no room. */
	if (bytes < 0 || used < 0)
		return (struct fill_level){ .end = U64_MAX };
	return (struct fill_level){ .end = DIV_ROUND_UP_ULL(bytes, COW_BLOCK_SIZE), .used = used };
}

static bool is_scarce(const struct fill *fill, struct core *core)
{
	struct fill_level level;
	unsigned long flags;
	bool scarce;

	core_lock(core, flags);
	level = fill_level(core);
	scarce = fill_room(&level) < fill_low_mark(fill, &level) / 4;
	core_unlock(core, flags);
	return scarce;
}

void fill_yield(struct fill *fill, struct core *core)
{
	unsigned int waits = READ_ONCE(fill->waits);

	if (!waits || !is_scarce(fill, core))
		return;
	/* Only a growth that has begun meanwhile would have it otherwise. */
	cmpxchg(&fill->waits, waits, waits - 1);
	wait_event_timeout(fill->ended, !READ_ONCE(fill->waits) || !is_scarce(fill, core),
			   WAIT_JIFFIES);
}

void fill_wake_locked(struct fill *fill)
{
	fill->next = U64_MAX;
	queue_work(COMPAT_UNBOUND_WQ, &fill->work);
}

void fill_init(struct fill *fill)
{
	init_waitqueue_head(&fill->ended);
	fill->next = U64_MAX;
}
