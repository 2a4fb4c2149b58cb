/* SPDX-License-Identifier: GPL-2.0-only */
/* The way of deferred writes: planned, copied, released. */
#ifndef DATTOBD_IO_PIPELINE_H
#define DATTOBD_IO_PIPELINE_H

#include <linux/types.h>

struct volume;

/**
 * pipeline_step() - Do what can be done without waiting for a copy: finish jobs that have ended,
 * release writes, begin new jobs, write copies to the COW file.
 * @more: take more writes in hand
 * @guarded: also those that came while the shutter was shut
 *
 * Context: the worker. Return: was there anything to do? If not, the worker is woken when there is.
 */
bool pipeline_step(struct volume *vol, bool more, bool guarded);

/**
 * pipeline_settle() - See the writes in hand through, but for those that wait for snapshot reads.
 * Context: the worker.
 */
void pipeline_settle(struct volume *vol);

/**
 * pipeline_copy() - Preserve what these sectors hold. Nothing is copied if the device fails, or
 * leaves snapshot mode.
 *
 * Context: the worker.
 */
void pipeline_copy(struct volume *vol, sector_t sector, sector_t nr_sectors);

#endif
