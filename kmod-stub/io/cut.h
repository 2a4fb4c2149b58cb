/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the COW file gave back when its data area was cut off. The filesystem then discards it, some
 * of them (ext4) with all the free space around it: nothing that a user did, and all of it would
 * count as changed. So the first discard of each such piece is made to be of that piece alone,
 * whose blocks read as zeros in every snapshot until somebody writes there.
 */
#ifndef DATTOBD_IO_CUT_H
#define DATTOBD_IO_CUT_H

#include <linux/types.h>

struct bio;
struct cut;
struct volume;

/**
 * cut_begin() - The COW file is about to be cut to @bytes. Without memory for a list, what the
 * filesystem discards counts as changed.
 */
void cut_begin(struct volume *vol, u64 bytes);

/** cut_end() - The blocks may be part of the next COW file. */
void cut_end(struct volume *vol);

/**
 * cut_claims() - Is this the discard that the cut led to? If so, it is made smaller.
 * @sector, @nr_sectors: the part of @bio that lies on the origin, relative to it
 *
 * Context: core_lock.
 */
bool cut_claims(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

void cut_free(struct cut *cut);

#endif
