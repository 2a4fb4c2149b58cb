/* SPDX-License-Identifier: GPL-2.0-only */
/* Copy jobs: the old content of some blocks, on its way into the ring. */
#ifndef DATTOBD_IO_COPY_H
#define DATTOBD_IO_COPY_H

#include "io/job.h"

struct copies *copies_create(struct snapshot *snap);
void copies_destroy(struct copies *copies); /* none is under way */

/** copies_any() - Is a job under way? Context: the worker. */
bool copies_any(const struct copies *copies);

/** copies_nr_free() - So many jobs can be begun. Context: the worker. */
unsigned int copies_nr_free(const struct copies *copies);

/** copies_ended() - Has a job ended that copies_finish() was not called for? Context: Any. */
bool copies_ended(struct copies *copies);

/**
 * copies_join() - If a job copies a block that the rest of this write touches, the write waits for
 * it.
 *
 * Context: the worker. Return: -%EBUSY if that job is for too many already; 1 if it waits; 0 if
 * there is no such job.
 */
int copies_join(struct copies *copies, struct write *write);

/**
 * copies_start() - Begin to copy what these writes touch and is not copied yet, up to %JOB_BLOCKS
 * blocks of it. Moves their @next on, and counts the job in @nr_jobs of those that wait for it.
 * @writes: 1 to %JOB_WRITES, whose rests no other job touches; they are sorted here
 * @space: so many slots of the ring are free
 *
 * Context: the worker. Return: 0; -errno if the device failed, or left snapshot mode: nothing is
 * copied any more then.
 */
int copies_start(struct copies *copies, struct write **writes, unsigned int nr_writes,
		 unsigned int space);

/**
 * copies_finish() - Commit what an ended job has read. One for urgent writes comes first.
 * @nr_writes: result
 * @urgent: result: does an urgent write wait for it?
 *
 * Context: the worker. Return: the writes that waited for it, until the next call; NULL if no job
 * has ended. A failure has failed the device.
 */
struct write **copies_finish(struct copies *copies, unsigned int *nr_writes, bool *urgent);

#endif
