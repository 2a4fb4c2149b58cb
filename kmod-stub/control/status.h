/* SPDX-License-Identifier: GPL-2.0-only */
/* /proc/datto-info. */
#ifndef DATTOBD_CONTROL_STATUS_H
#define DATTOBD_CONTROL_STATUS_H

int status_init(void);
void status_exit(void);

#endif
