/* SPDX-License-Identifier: GPL-2.0-only */
/* Guards of a COW file against everybody, and the unmount of its filesystem. */
#ifndef DATTOBD_COW_PIN_H
#define DATTOBD_COW_PIN_H

#include <linux/types.h>

struct cow_file;
struct inode;

/**
 * cow_pin() - Guard an inode against everybody and learn of its filesystem's unmount.
 *
 * Context: Process context, the filesystem is mounted and the caller holds a reference to @inode.
 * Return: 0; -%ETXTBSY if it is mapped for writing or is a swap file; -%ENOMEM.
 */
int cow_pin(struct cow_file *cow, struct inode *inode);

/**
 * cow_unpin() - Undo cow_pin(), or what the unmount left of it.
 */
void cow_unpin(struct cow_file *cow);

/**
 * cow_pin_guard() - Put the guards up or take them down while the file stays pinned.
 * @inode: referenced by the caller
 *
 * Return: 0; -%ESTALE if @inode is not the pinned one.
 */
int cow_pin_guard(struct cow_file *cow, struct inode *inode, bool on);

/**
 * cow_file_has_filesystem() - False once the filesystem was unmounted; the extents are then no
 * longer guarded.
 */
bool cow_file_has_filesystem(const struct cow_file *cow);

int cow_files_init(void); /* the fsnotify group */
void cow_files_exit(void);

#endif
