/* SPDX-License-Identifier: GPL-2.0-only */
/* Queues of work, and threads. */
#ifndef DATTOBD_COMPAT_WORK_H
#define DATTOBD_COMPAT_WORK_H

#include <linux/module.h>
#include <linux/workqueue.h>
#include "probes.h"

/* A queue that is bound to CPUs says so where that is not what is meant by saying nothing. */
#ifdef HAVE_WQ_PERCPU
#define COMPAT_WQ_BOUND WQ_PERCPU
#else
#define COMPAT_WQ_BOUND 0
#endif

/* The queue for all, whose workers are bound to no CPU. */
#ifdef HAVE_SYSTEM_DFL_WQ
#define COMPAT_UNBOUND_WQ system_dfl_wq
#else
#define COMPAT_UNBOUND_WQ system_unbound_wq
#endif

#ifndef HAVE_MODULE_PUT_AND_KTHREAD_EXIT
#define module_put_and_kthread_exit(code) module_put_and_exit(code)
#endif

#endif
