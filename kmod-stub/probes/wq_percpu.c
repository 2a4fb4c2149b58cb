// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 on a queue that is not unbound says so, and from 7.x on it must. */
#include <linux/workqueue.h>

unsigned int probe(void);
unsigned int probe(void)
{
	return WQ_PERCPU;
}
