/* SPDX-License-Identifier: GPL-2.0-only */
#ifdef HAVE_LINUX_STDARG_H
#include "libc.h"
#else
#include_next <stdarg.h> /* the compiler's, as in the kernel's own headers before 5.15 */
#endif
