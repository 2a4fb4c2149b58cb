// SPDX-License-Identifier: GPL-2.0-only
/* From 6.2 on ftrace_regs has accessors for arguments. */
#include <linux/ftrace.h>

struct ftrace_regs;
unsigned long probe(struct ftrace_regs *fregs);
unsigned long probe(struct ftrace_regs *fregs)
{
	return ftrace_regs_get_argument(fregs, 0);
}
