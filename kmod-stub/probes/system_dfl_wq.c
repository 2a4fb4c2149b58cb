// SPDX-License-Identifier: GPL-2.0-only
/* From 6.17 on the unbound queue for all has this name; from 7.x on the other one warns. */
#include <linux/workqueue.h>

struct workqueue_struct *probe(void);
struct workqueue_struct *probe(void)
{
	return system_dfl_wq;
}
