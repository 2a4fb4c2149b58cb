/* SPDX-License-Identifier: GPL-2.0-only */
/* When a live checkpoint (io/live.h) is made. */
#ifndef DATTOBD_CONTROL_CHECKPOINTS_H
#define DATTOBD_CONTROL_CHECKPOINTS_H

struct volume;

/** checkpoints_consider() - Is it time for one? Context: the watch, minor_lock(). */
void checkpoints_consider(struct volume *vol);

#endif
