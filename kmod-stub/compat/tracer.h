/* SPDX-License-Identifier: GPL-2.0-only */
/* The first argument of a traced function, and where that goes on. */
#ifndef DATTOBD_COMPAT_TRACER_H
#define DATTOBD_COMPAT_TRACER_H

#include <linux/bio.h>
#include <linux/ftrace.h>
#include <linux/ptrace.h>
#include "probes.h"

#ifdef HAVE_FTRACE_REGS_CALLBACK
#define compat_regs_t struct ftrace_regs
#else
#define compat_regs_t struct pt_regs
#endif

/* The callback may be entered again while it runs, as where an interrupt submits a bio. */
#ifdef FTRACE_OPS_FL_RECURSION_SAFE
#define COMPAT_FTRACE_RECURSION FTRACE_OPS_FL_RECURSION_SAFE
#else
#define COMPAT_FTRACE_RECURSION 0
#endif

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#define COMPAT_FTRACE_OPS_FL COMPAT_FTRACE_RECURSION
#else
#define COMPAT_FTRACE_OPS_FL (COMPAT_FTRACE_RECURSION | FTRACE_OPS_FL_SAVE_REGS)
#endif

static inline struct bio *compat_traced_bio(compat_regs_t *regs)
{
#if defined(HAVE_FTRACE_REGS_GET_ARGUMENT)
	return (struct bio *)ftrace_regs_get_argument(regs, 0);
#elif defined(HAVE_FTRACE_REGS_CALLBACK)
	return (struct bio *)regs_get_kernel_argument(&regs->regs, 0);
#else
	return (struct bio *)regs_get_kernel_argument(regs, 0);
#endif
}

static inline void compat_redirect(compat_regs_t *regs, unsigned long to)
{
#if defined(HAVE_FTRACE_REGS_SET_IP)
	ftrace_regs_set_instruction_pointer(regs, to);
#elif defined(HAVE_FTRACE_REGS_CALLBACK)
	instruction_pointer_set(&regs->regs, to);
#else
	instruction_pointer_set(regs, to);
#endif
}

#endif
