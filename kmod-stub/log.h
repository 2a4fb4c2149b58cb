/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages about one minor. */
#ifndef DATTOBD_LOG_H
#define DATTOBD_LOG_H

#include <linux/printk.h>
#include "params.h"

#define MINOR_FMT(fmt) "datto: minor %u: " fmt "\n"
#define pr_minor_err(minor, fmt, ...) pr_err(MINOR_FMT(fmt), minor, ##__VA_ARGS__)
#define pr_minor_warn(minor, fmt, ...) pr_warn(MINOR_FMT(fmt), minor, ##__VA_ARGS__)
#define pr_minor_info(minor, fmt, ...) pr_info(MINOR_FMT(fmt), minor, ##__VA_ARGS__)

/* What a device went through, for who sets the parameter debug. */
#define pr_minor_debug(minor, fmt, ...)                           \
	do {                                                      \
		if (debug)                                        \
			pr_minor_info(minor, fmt, ##__VA_ARGS__); \
	} while (0)

#endif
