// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include "cow/scratch.h"

static void leave(struct mm_struct *mm)
{
	kthread_unuse_mm(mm);
	mmput(mm);
}

void __user *scratch_map(size_t bytes)
{
	struct mm_struct *mm = get_task_mm(init_pid_ns.child_reaper);
	unsigned long address;

	if (!mm)
		return (void __user *)ERR_PTR(-EAGAIN);
	kthread_use_mm(mm);
	address = vm_mmap(NULL, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(address))
		leave(mm);
	return (void __user *)address;
}

void scratch_unmap(void __user *scratch, size_t bytes)
{
	/* Not for a kill either: it is not ours that it would stay in. */
	while (vm_munmap((unsigned long)scratch, bytes) == -EINTR)
		schedule_timeout_uninterruptible(1);
	leave(current->mm);
}
