/* SPDX-License-Identifier: GPL-2.0-only */
/* Checkpoints in COW files (io/checkpoint.c, docs/CORE.md). */
#ifndef DATTOBD_IO_CHECKPOINT_H
#define DATTOBD_IO_CHECKPOINT_H

struct volume;

/**
 * checkpoint_write() - Write a checkpoint to the COW file, and keep the header block without it.
 *
 * It is tied to what the last whole look of proof_check() found.
 *
 * Context: The worker, every write to the origin is deferred, no copy is on its way, no
 * index section is dirty.
 * Return: 0; -%ENOSPC if the file has no room; -errno. There is no checkpoint then.
 */
int checkpoint_write(struct volume *vol);

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
 *
 * Context: Process context; nobody else calls the core.
 * Return: 0; an enum core_refusal, positive; -errno.
 */
int checkpoint_read(struct volume *vol);

#endif
