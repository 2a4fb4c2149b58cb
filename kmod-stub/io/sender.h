/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes in the background go by a thread of their own. The block layer makes who submits them
 * wait, for a request of the disk or by writeback throttling; urgent writes must not wait with it.
 */
#ifndef DATTOBD_IO_SENDER_H
#define DATTOBD_IO_SENDER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct write;

/**
 * struct sender - Of a volume.
 * @nr: writes that were handed over and not taken back; the worker's
 */
struct sender {
	struct workqueue_struct *wq;
	struct work_struct work;
	spinlock_t lock; /* to_send, sent */
	struct list_head to_send, sent;
	unsigned int nr;
};

int sender_init(struct sender *sender, unsigned int minor);

/** sender_exit() - End the thread. Nothing is deferred any more. */
void sender_exit(struct sender *sender);

/** sender_add() - Submit the bios of these &struct write. Context: the worker. */
void sender_add(struct sender *sender, struct list_head *writes, unsigned int nr);

/**
 * sender_take() - Take back one that was submitted; the worker was woken.
 *
 * Context: the worker. Return: NULL if there is none.
 */
struct write *sender_take(struct sender *sender);

/** sender_has_sent() - Is there one to take back? Context: Any. */
bool sender_has_sent(const struct sender *sender);

#endif
