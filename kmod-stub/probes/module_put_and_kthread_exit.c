// SPDX-License-Identifier: GPL-2.0-only
/* From 5.17 on. */
#include <linux/module.h>

void probe(void);
void probe(void)
{
	module_put_and_kthread_exit(0);
}
