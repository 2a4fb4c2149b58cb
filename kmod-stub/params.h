/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's parameters. */
#ifndef DATTOBD_PARAMS_H
#define DATTOBD_PARAMS_H

#define SNAP_DEVICES_MAX 255

extern unsigned long cow_max_memory_default;
extern unsigned int cow_fallocate_percentage_default;
extern unsigned int checkpoint_interval; /* seconds */
extern unsigned int region_size; /* MiB */
extern unsigned int max_snap_devices;
extern int debug;

/** check_parameters() - Replace values that are out of range, with a warning. */
void check_parameters(void);

#endif
