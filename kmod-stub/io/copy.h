/* SPDX-License-Identifier: GPL-2.0-only */
/* Preserving old content before writes go. */
#ifndef DATTOBD_IO_COPY_H
#define DATTOBD_IO_COPY_H

#include "layout.h"

struct volume;

#define COPY_RANGES 128 /* writes looked at in one go */
#define COPY_BLOCKS 512 /* copied in one go */

/**
 * copy_ranges() - Preserve every block that @ranges touch and that is not copied yet.
 * @ranges: COPY_RANGES at most, sorted by sector
 *
 * Returns early, without an error, if the device leaves snapshot mode or fails.
 * Context: The worker.
 */
void copy_ranges(struct volume *vol, const struct core_range *ranges, unsigned int count);

#endif
