/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of cores: made for a snapshot, handed to the next one, handed to user space. */
#ifndef DATTOBD_IO_HANDOVER_H
#define DATTOBD_IO_HANDOVER_H

#include <linux/types.h>

struct cow_file;
struct core;
struct engine;

/**
 * handover_create() - An engine for a new snapshot of a device.
 * @fsize: of its COW file, bytes
 * @seqid: number in the series
 * @uuid: of the series
 * @header: result: the header block of the COW file, COW_HEADER_SIZE bytes
 *
 * Return: The engine, or ERR_PTR().
 */
struct engine *handover_create(struct core *core, u64 cache_bytes, u64 fsize, u64 seqid,
			       const u8 *uuid, void *header);

/**
 * handover_mask_cow() - Tell a new core where its own COW file lies. Context: no other caller of
 * @engine.
 */
int handover_mask_cow(struct engine *engine, const struct cow_file *cow);

/** handover_list_next() - The present index lists the next COW file from here on. */
int handover_list_next(struct core *core, const struct cow_file *cow);

/**
 * handover_prepare() - Hand over what the next snapshot's core must know of the device's present
 * core, before the filesystem is frozen for the switch: all that takes long.
 * @cow: the next COW file, which is listed
 *
 * Context: no other caller of @next.
 */
int handover_prepare(struct core *core, struct engine *next, const struct cow_file *cow);

/**
 * handover_inherit() - Hand over what has changed since.
 * @changed: result: the device's counter of changed blocks from before. If it has moved when the
 * next core takes over, a write came in between (past the filesystem, which is frozen), and this
 * must be done again.
 *
 * Context: the filesystem is frozen; else it is done once more then.
 */
int handover_inherit(struct core *core, struct engine *next, const struct cow_file *cow,
		     u64 *changed);

/**
 * handover_keep() - Each map of a live checkpoint has the regions of the COW file: by how much it
 * had grown is not known.
 *
 * Context: snapshot mode. Return: 0 or -errno.
 */
int handover_keep(struct core *core, const struct cow_file *cow);

/**
 * handover_mark_shared() - Mark the blocks of which the COW file has a part: copies have gone
 * there.
 *
 * Context: incremental mode. Return: 0 or -errno.
 */
int handover_mark_shared(struct core *core, const struct cow_file *cow);

/**
 * handover_name_next() - Make the header of a COW file that names the next one, in the core's
 * buffer.
 * @next: its path, as cow_file_path()
 * @closed: the file is complete; else it is in use, and its checkpoint is in the next one
 *
 * Context: core_lock, or no other caller of @engine. Return: COW_HEADER_SIZE, or -errno.
 */
s64 handover_name_next(struct engine *engine, const char *next, bool closed);

/**
 * handover_export() - Write index and clean header to a COW file, through its filesystem, and close
 * it.
 * @next: path of the COW file with which tracking goes on: who reloads this one goes on with that
 *
 * The file is unpinned in every case. Context: no other caller of @engine; the filesystem is not
 * frozen.
 */
int handover_export(struct engine *engine, struct cow_file *cow, const char *next);

#endif
