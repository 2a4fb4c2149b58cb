/* SPDX-License-Identifier: GPL-2.0-only */
/* In which COW file the live checkpoint lies: in the volume's, or the next snapshot's. */
#ifndef DATTOBD_IO_LIVE_FILE_H
#define DATTOBD_IO_LIVE_FILE_H

#include <linux/types.h>

struct cow_file;
struct volume;

/** live_file() - The file in which the one in force lies. Context: Any but core_lock. */
struct cow_file *live_file(struct volume *vol);

/** live_next_file() - The file in which the next one is made. Context: Any but core_lock. */
struct cow_file *live_next_file(struct volume *vol);

/**
 * live_former_header() - The header of the volume's file, which has no checkpoint and names the
 * next snapshot's.
 * @header: result, COW_HEADER_SIZE bytes
 *
 * Context: there is such a file; any but core_lock. Return: 0 or -errno.
 */
s64 live_former_header(struct volume *vol, void *header);

#endif
