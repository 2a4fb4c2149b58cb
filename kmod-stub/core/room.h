/* SPDX-License-Identifier: GPL-2.0-only */
/* Linear memory for the core's bitmaps, which take it as bits are set in new places. */
#ifndef DATTOBD_CORE_ROOM_H
#define DATTOBD_CORE_ROOM_H

#include "core/core.h"

/**
 * room_make() - Make room for bitmaps in the device's core, after %CORE_STATUS_ROOM.
 *
 * Context: May sleep. Neither core_lock nor core.io_lock is held.
 * Return: 0, -%ENOMEM, or the device's error.
 */
int room_make(struct core *core);

/**
 * room_again() - room_make(), for a call that is repeated. A core that still wants room when there
 * is some for all of its bitmaps has come to its end.
 * @tries: so far, 0 at first
 */
int room_again(struct core *core, unsigned int *tries);

/**
 * room_ask() - core_ask(), with room made as it is needed. %CORE_STATUS_REGION counts as success:
 * no write to the origin waits for the answer.
 *
 * Context, errors: as room_make().
 */
#define room_ask(c, export, ...)                                                                   \
	({                                                                                         \
		struct core *room_core = (c);                                                      \
		s64 room_ret;                                                                      \
		unsigned int room_tries = 0;                                                       \
		do {                                                                               \
			room_ret = core_ask(room_core, export, ##__VA_ARGS__);                     \
			if (room_ret == CORE_STATUS_ROOM)                                          \
				room_ret = room_again(room_core, &room_tries) ?: CORE_STATUS_ROOM; \
		} while (room_ret == CORE_STATUS_ROOM);                                            \
		room_ret == CORE_STATUS_REGION ? 0 : room_ret;                                     \
	})

/** room_again_alone() - room_again() for a core that nobody else calls. */
int room_again_alone(struct engine *engine, unsigned int *tries);

/** room_ask_alone() - Call an export of a core that nobody else calls, as room_ask(). */
#define room_ask_alone(e, export, ...)                                                   \
	({                                                                               \
		struct engine *room_engine = (e);                                        \
		s64 room_ret;                                                            \
		unsigned int room_tries = 0;                                             \
		do {                                                                     \
			room_ret = export(room_engine, ##__VA_ARGS__);                   \
			if (room_ret == CORE_STATUS_ROOM)                                \
				room_ret = room_again_alone(room_engine, &room_tries) ?: \
						   CORE_STATUS_ROOM;                     \
		} while (room_ret == CORE_STATUS_ROOM);                                  \
		room_ret;                                                                \
	})

/**
 * in_slices() - room_ask() or room_ask_alone() about a range of any length, one slice at a time.
 * @most: as of core_slice()
 *
 * Return: the last result, or the first error.
 */
#define in_slices(ask, to, most, export, at, count)                                          \
	({                                                                                   \
		u64 slices_at = (at), slices_end = slices_at + (count), slices_len;          \
		s64 slices_ret = 0;                                                          \
		for (; slices_at < slices_end && slices_ret >= 0; slices_at += slices_len) { \
			slices_len = core_slice(slices_at, slices_end - slices_at, most);    \
			slices_ret = ask(to, export, slices_at, slices_len);                 \
			cond_resched();                                                      \
		}                                                                            \
		slices_ret;                                                                  \
	})

#endif
