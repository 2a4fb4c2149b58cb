/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DATTOBD_IO_HANDOVER_H
#define DATTOBD_IO_HANDOVER_H

#include <linux/types.h>

struct core_run;
struct cow_file;
struct dattobd_device;
struct engine;

/*
 * io/handover.c: starting a core for a snapshot, handing one's state to the next, handing its
 * index to user space
 */

/**
 * core_start() - An engine for a new snapshot of a device.
 * @fsize: of its COW file, bytes
 * @seqid: number in the series
 * @uuid: of the series
 * @header: result: the header block of the COW file, COW_HEADER_SIZE bytes
 *
 * Return: The engine, or ERR_PTR().
 */
struct engine *core_start(struct dattobd_device *dev, u64 cache_bytes, u64 fsize, u64 seqid,
			  const u8 *uuid, void *header);

/**
 * core_mask_cow() - Tell a new core where its own COW file lies. Context: no other caller of
 * @engine.
 */
int core_mask_cow(struct engine *engine, const struct cow_file *cow);

/**
 * core_succeed() - Hand over what the next snapshot's core must know of the device's present
 * core.
 * @cow: the next COW file, which the present index must list
 * @fresh: it is done for the first time
 * @changed: result: the device's counter of changed blocks from before. If it has moved when the
 * next core takes over, a write came in between (past the filesystem, which is frozen), and this
 * must be done again.
 *
 * Context: the filesystem is frozen.
 */
int core_succeed(struct dattobd_device *dev, struct engine *next, const struct cow_file *cow,
		 bool fresh, u64 *changed);

/**
 * core_mark_shared() - Mark the blocks of which the COW file has a part: copies have gone there.
 *
 * Context: incremental mode. Return: 0 or -errno.
 */
int core_mark_shared(struct dattobd_device *dev);

/** core_nr_sections() - Sections of a device's index, at most. */
u64 core_nr_sections(const struct dattobd_device *dev);

/**
 * core_read_plan() - Take over the runs of a plan for a read of the snapshot.
 * @count: how many
 * @head: first position that no copy has
 *
 * Context: core_lock. Return: 0; -%ENOTRECOVERABLE if it cannot be a plan.
 */
int core_read_plan(struct dattobd_device *dev, struct core_run *runs, unsigned int count, u64 head);

/**
 * core_export() - Write index and clean header to a COW file, through its filesystem, and close
 * it.
 *
 * The file is unpinned in every case. Context: no other caller of @engine; the filesystem is not
 * frozen.
 */
int core_export(struct dattobd_device *dev, struct engine *engine, struct cow_file *cow);

#endif
