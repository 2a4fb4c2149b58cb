/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What no write and no ioctl shows: that a filesystem was mounted, unmounted, remounted, that the
 * machine goes down.
 */
#ifndef DATTOBD_CONTROL_WATCH_H
#define DATTOBD_CONTROL_WATCH_H

struct work_struct;

void watch_work(struct work_struct *work);
int watch_init(void);
void watch_exit(void);

#endif
