/* SPDX-License-Identifier: GPL-2.0-only */
/* Linear memory for the core's bitmaps, which take it as bits are set in new places. */
#ifndef DATTOBD_CORE_ROOM_H
#define DATTOBD_CORE_ROOM_H

#include "core/core.h"

/**
 * room_make() - Make room for bitmaps in the device's core, after %CORE_STATUS_ROOM.
 *
 * Context: May sleep. Neither core_lock nor sections_lock is held.
 * Return: 0, -%ENOMEM, or the device's error.
 */
int room_make(struct core *core);

/**
 * room_call() - engine_ask() under core_lock, with room made as it is needed. Context, errors: the
 * same.
 */
s64 room_call(struct core *core, enum core_export export, u64 a, u64 b, s64 max);

/** room_call_alone() - The same for a core that nobody else calls. */
s64 room_call_alone(struct engine *engine, enum core_export export, u64 a, u64 b, s64 max);

#endif
