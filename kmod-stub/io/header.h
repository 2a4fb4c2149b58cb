/* SPDX-License-Identifier: GPL-2.0-only */
/* The COW file's header block, which is written raw and is an ordinary block of the origin. */
#ifndef DATTOBD_IO_HEADER_H
#define DATTOBD_IO_HEADER_H

struct volume;

/**
 * header_preserve() - Copy the block, or the pieces of blocks, in which the header lies, or mark
 * them in incremental mode, as if somebody else wrote there.
 *
 * Context: The worker; a raw write has begun. Return: 0 or -errno.
 */
int header_preserve(struct volume *vol);

#endif
