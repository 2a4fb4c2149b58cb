/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/datto-ctl. */
#ifndef DATTOBD_CONTROL_IOCTL_H
#define DATTOBD_CONTROL_IOCTL_H

int control_init(void);
void control_exit(void);

#endif
