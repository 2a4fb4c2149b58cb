/* SPDX-License-Identifier: GPL-2.0-only */
/* Checkpoints in COW files (io/checkpoint.c, docs/CORE.md). */
#ifndef DATTOBD_IO_CHECKPOINT_H
#define DATTOBD_IO_CHECKPOINT_H

#include <linux/types.h>

struct volume;

/** checkpoint_pieces_max() - More pieces than a checkpoint has. */
u64 checkpoint_pieces_max(const struct volume *vol);

/**
 * checkpoint_mark_header() - The header block is an ordinary block of the origin, or some pieces of
 * such, and will be written raw: it is marked as if somebody else wrote it. So is that of the next
 * snapshot's file, if there is one. Incremental mode.
 *
 * Return: 0 or -errno.
 */
int checkpoint_mark_header(struct volume *vol);

/**
 * checkpoint_begin() - Begin a checkpoint: it is tied to where the file lies.
 * @live: a live one, which is tied to header and index only, whatever the mode is
 */
s64 checkpoint_begin(struct volume *vol, bool live);

/**
 * checkpoint_write_piece() - Write its next piece.
 * @left: how many there may still be
 *
 * Context: core.io_lock. Return: its bytes, 0 at the end, or -errno.
 */
s64 checkpoint_write_piece(struct volume *vol, u64 *left);

/**
 * checkpoint_write_live() - Write the header block with the live checkpoint, durably, and all that
 * was written before. After an error there is none.
 */
int checkpoint_write_live(struct volume *vol);

/**
 * checkpoint_is_there() - Does the header block on disk hold what was written or read last?
 *
 * Return: 0; -%ESTALE if somebody else wrote to it; the error of the disk.
 */
int checkpoint_is_there(struct volume *vol);

/**
 * checkpoint_write() - Write a checkpoint to the COW file, and keep the header block without it.
 *
 * It is tied to what the last whole look of proof_check() found.
 * @named: result: the header was written, or may be; else a live checkpoint is as it was
 *
 * Context: The worker, every write to the origin is deferred, no copy is on its way, no
 * index section is dirty.
 * Return: 0; -%ENOSPC if the file has no room; -errno. There is no checkpoint then.
 */
int checkpoint_write(struct volume *vol, bool *named);

/**
 * checkpoint_remove() - Write the header block without the checkpoint, durably, if the checkpoint
 * is still there. If it cannot be written, the device fails.
 *
 * Context: Process context; no write has passed since the checkpoint was written or read, and
 * nobody wrote to the filesystem elsewhere.
 * Return: 0; -%ESTALE if somebody else wrote to the block; the error of the disk.
 */
int checkpoint_remove(struct volume *vol);

/**
 * checkpoint_read() - Load a checkpoint into the device's new core, which proof_learn() has called.
 * @added: result: blocks that count as changed beside those that it lists; -1 if it is a clean one
 *
 * Context: Process context; nobody else calls the core.
 * Return: 0; an enum core_refusal, positive; -errno.
 */
int checkpoint_read(struct volume *vol, s64 *added);

#endif
