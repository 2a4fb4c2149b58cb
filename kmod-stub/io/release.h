/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of the way of deferred writes: those that are ready go to the disk. */
#ifndef DATTOBD_IO_RELEASE_H
#define DATTOBD_IO_RELEASE_H

#include <linux/types.h>

struct volume;

/**
 * release_writes() - Let those go that nothing is in the way of: urgent ones at once, others by the
 * sender.
 *
 * Context: the worker. Return: have any gone, or were submitted by the sender since the last call?
 */
bool release_writes(struct volume *vol);

#endif
