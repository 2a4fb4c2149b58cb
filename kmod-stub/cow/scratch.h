/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scratch memory with an address in user space. Some answers of filesystems (FIEMAP, GETFSMAP) can
 * be had in no other place.
 */
#ifndef DATTOBD_COW_SCRATCH_H
#define DATTOBD_COW_SCRATCH_H

#include <linux/types.h>

/**
 * scratch_map() - Map @bytes of scratch memory into the address space of the first process, which
 * is always there, and go on in it. Another thread of that process could change what is there: it
 * takes one that may write to the origin anyway.
 *
 * Context: A kernel thread. One at a time in each.
 * Return: its address, or ERR_PTR().
 */
void __user *scratch_map(size_t bytes);

/** scratch_unmap() - Undo scratch_map(). */
void scratch_unmap(void __user *scratch, size_t bytes);

#endif
