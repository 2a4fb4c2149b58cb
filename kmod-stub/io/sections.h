/* SPDX-License-Identifier: GPL-2.0-only */
/* The sections of the index that are in memory, and their way to and from the COW file. */
#ifndef DATTOBD_IO_SECTIONS_H
#define DATTOBD_IO_SECTIONS_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct volume;

/**
 * struct sections
 * @bounce: COW_SECTION_BYTES; under core.io_lock
 * @work, @wanted, @error: see sections_set_cache()
 */
struct sections {
	void *bounce;
	struct work_struct work;
	u64 wanted;
	int error;
};

int sections_init(struct volume *vol);
void sections_exit(struct volume *vol);

/**
 * sections_load() - Make an index section resident, writing others back as the core asks.
 *
 * Return: 0 or -errno.
 */
int sections_load(struct volume *vol, u64 section);

/**
 * sections_again() - sections_load(), for a call that is repeated. A core that misses sections
 * again and again has come to its end.
 * @tries: so far, 0 at first
 */
int sections_again(struct volume *vol, u64 section, unsigned int *tries);

/** sections_flush() - Write every dirty section to the COW file. Return: 0 or -errno. */
int sections_flush(struct volume *vol);

/** sections_drop() - Give back the memory of the index. Context: incremental mode. */
void sections_drop(struct volume *vol);

/**
 * sections_set_cache() - Set the limit of the index cache, writing back what it has no room for.
 *
 * The limit that the core was started with is never exceeded, and memory is not given back. Goes
 * on behind a caller that was killed. By one caller at a time.
 * Return: 0 or -errno.
 */
int sections_set_cache(struct volume *vol, u64 bytes);

#endif
