/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests: what a client asks for by an ioctl, carried out by a kernel thread of its own.
 *
 * The client waits for that thread where a signal that kills it reaches, whatever the thread waits
 * for: a disk that does not answer keeps the thread, not the client. The thread stands in for the
 * client: it has its root and working directory and its credentials, and is killed with it, so
 * that fatal_signal_pending() tells in both places the same.
 */
#ifndef DATTOBD_CONTROL_REQUEST_H
#define DATTOBD_CONTROL_REQUEST_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/path.h>
#include <linux/types.h>

/**
 * struct request_member - What a request says of one minor.
 * @index: of those that the client named
 * @origin, @cow: paths as the client gave them; NULL where a request has none
 */
struct request_member {
	unsigned int minor, index;
	char *origin, *cow;
	u64 cache_bytes, mib, reserved_mib;
};

/**
 * struct client_request - One request. It belongs to its client and its thread, and is freed by the
 * last of them.
 * @carry_out: returns 0 or -errno
 * @members, @nr_members: what it is about, by minor; @only, but for a group
 * @failed: result: index of the member that failed first; @nr_members if none did
 * @taken: result: the snapshots of all members were taken, whatever failed later
 * @root, @pwd: the client's, as long as the thread does not have them
 * @killed: the client was, perhaps before the thread could be
 */
struct client_request {
	int (*carry_out)(struct client_request *request);
	struct request_member *members;
	unsigned int nr_members, failed;
	bool taken;

	/* control/request.c */
	struct request_member only;
	struct kref users;
	struct path root, pwd;
	const struct cred *cred;
	bool killed;
	int result;
	struct completion done;
};

/** request_new() - Return: An empty request about one minor, or NULL without memory. */
struct client_request *request_new(void);

/** request_extend() - Let it be about several. Return: 0 or -%ENOMEM. */
int request_extend(struct client_request *request, unsigned int nr_members);

/**
 * request_sort() - Put the members in order.
 *
 * Return: 0; -%EINVAL if a minor is out of range, or comes twice: @failed says which.
 */
int request_sort(struct client_request *request);

/** request_put() - The caller needs it no more; its paths are freed with it. */
void request_put(struct client_request *request);

/**
 * request_run() - Have it carried out, under the locks of its minors, and wait.
 *
 * Return: its result; -%EINTR if the caller was killed, while it is turned back or carried on; or
 * an error of starting a thread.
 */
int request_run(struct client_request *request);

#endif
