// SPDX-License-Identifier: GPL-2.0-only
/* From 5.11 on a callback is given ftrace_regs rather than pt_regs. */
#include <linux/ftrace.h>

static void callback(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		     struct ftrace_regs *fregs)
{
}

void probe(struct ftrace_ops *ops);
void probe(struct ftrace_ops *ops)
{
	ops->func = callback;
}
