/* SPDX-License-Identifier: GPL-2.0-only */
/* The COW file's data area, which is of no use in incremental mode. */
#ifndef DATTOBD_CONTROL_CUT_COW_H
#define DATTOBD_CONTROL_CUT_COW_H

struct dattobd_device;

/**
 * cut_cow_file() - Cut it off, now. A live checkpoint in it is made once more where it may stay, or
 * removed. That the space could not be given back is no reason to fail.
 *
 * Context: incremental mode, by a request that cannot be given up any more.
 */
void cut_cow_file(struct dattobd_device *dev);

/**
 * cut_cow_file_late() - Cut it off after a crash in snapshot mode, once no checkpoint is in it.
 *
 * Context: the watch; its filesystem is mounted.
 */
void cut_cow_file_late(struct dattobd_device *dev);

#endif
