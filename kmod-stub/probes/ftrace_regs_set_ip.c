// SPDX-License-Identifier: GPL-2.0-only
/* From 6.2 on the instruction pointer is set by this name. */
#include <linux/ftrace.h>

struct ftrace_regs;
void probe(struct ftrace_regs *fregs, unsigned long ip);
void probe(struct ftrace_regs *fregs, unsigned long ip)
{
	ftrace_regs_set_instruction_pointer(fregs, ip);
}
