/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernels is in compat/, by subject, and nowhere else. HAVE_* come from
 * the compile probes (probes/), which the build runs against the headers in hand: stable kernels
 * back-port changes of signatures, so version numbers are no guide.
 */
#ifndef DATTOBD_COMPAT_H
#define DATTOBD_COMPAT_H

#include "compat/bdev.h"
#include "compat/bio.h"
#include "compat/disk.h"
#include "compat/fs.h"
#include "compat/lock.h"
#include "compat/tracer.h"
#include "compat/work.h"

#endif
