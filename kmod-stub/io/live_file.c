// SPDX-License-Identifier: GPL-2.0-only
#include "io/handover.h"
#include "io/live_file.h"
#include "io/volume.h"

struct cow_file *live_file(struct volume *vol)
{
	struct cow_file *cow;
	unsigned long flags;

	core_lock(&vol->core, flags);
	cow = vol->live.moved ? vol->live.next_file : vol->cow;
	core_unlock(&vol->core, flags);
	return cow;
}

struct cow_file *live_next_file(struct volume *vol)
{
	struct cow_file *cow;
	unsigned long flags;

	core_lock(&vol->core, flags);
	cow = vol->live.next_file ?: vol->cow;
	core_unlock(&vol->core, flags);
	return cow;
}

s64 live_former_header(struct volume *vol, void *header)
{
	const char *next = cow_file_path(vol->live.next_file);
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error ?: handover_name_next(vol->core.engine, next, false);
	if (ret >= 0)
		ret = engine_read_buffer(vol->core.engine, header, COW_HEADER_SIZE);
	core_unlock(&vol->core, flags);
	return ret;
}
