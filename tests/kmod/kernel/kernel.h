/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the kernel that the data structures of kmod-stub use, for one thread in user space. It
 * replaces compat.h and all <linux/...> headers, but for those of user space.
 */
#ifndef KERNEL_H
#define KERNEL_H

#define DATTOBD_COMPAT_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#include "base.h"
#include "list.h"
#include "sync.h"
#include "memory.h"
#include "block.h"
#include "files.h"
#include "tree.h"

#endif
