// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include "killable.h"

void request_ignore_kill(void)
{
	disallow_signal(SIGKILL);
}

/* Of a wait with a timeout. */
int wait_result(long left)
{
	if (left > 0)
		return 0;
	return left ? -EINTR : -ETIMEDOUT;
}

/* Polled: a flush_work() cannot be given up. */
noinline int work_wait(struct work_struct *work, long timeout)
{
	long left = timeout;

	while (work_busy(work)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		schedule_timeout_killable(1);
		left -= timeout == MAX_SCHEDULE_TIMEOUT ? 0 : 1;
	}
	return 0;
}
