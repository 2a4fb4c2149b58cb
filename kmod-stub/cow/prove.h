/* SPDX-License-Identifier: GPL-2.0-only */
/* The proof that the extents are true. */
#ifndef DATTOBD_COW_PROVE_H
#define DATTOBD_COW_PROVE_H

#include <linux/fs.h>

struct cow_file;

/**
 * cow_prove() - See on the device that writes through the filesystem arrive where the extents
 * say, and only there.
 * @header: what the file's first block holds
 *
 * The blocks used for it read as zeros through the filesystem again afterwards. Nothing is
 * written raw before the extents are proved.
 *
 * Context: Process context. May sleep.
 * Return: 0; -%EOPNOTSUPP if they do not; -%ENOMEM; the filesystem's or the device's error.
 */
int cow_prove(struct cow_file *cow, struct file *file, const void *header);

#endif
