// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "compat.h"
#include "control/devices.h"
#include "control/request.h"

#define LAST_MOMENT HZ

struct client_request *request_new(void)
{
	struct client_request *request = kzalloc(sizeof(*request), GFP_KERNEL);

	if (!request)
		return NULL;
	kref_init(&request->users);
	init_completion(&request->done);
	request->members = &request->only;
	request->nr_members = 1;
	request->failed = 1;
	return request;
}

int request_extend(struct client_request *request, unsigned int nr_members)
{
	struct request_member *members = kcalloc(nr_members, sizeof(*members), GFP_KERNEL);
	unsigned int i;

	if (!members)
		return -ENOMEM;
	for (i = 0; i < nr_members; i++)
		members[i].index = i;
	request->members = members;
	request->nr_members = nr_members;
	request->failed = nr_members;
	return 0;
}

static void request_free(struct kref *users)
{
	struct client_request *request = container_of(users, struct client_request, users);

	unsigned int i;

	if (request->cred)
		put_cred(request->cred);
	for (i = 0; i < request->nr_members; i++) {
		kfree(request->members[i].origin);
		kfree(request->members[i].cow);
	}
	if (request->members != &request->only)
		kfree(request->members);
	kfree(request);
}

void request_put(struct client_request *request)
{
	kref_put(&request->users, request_free);
}

static int by_minor(const void *a, const void *b)
{
	const struct request_member *left = a, *right = b;

	if (left->minor == right->minor)
		return left->index < right->index ? -1 : 1;
	return left->minor < right->minor ? -1 : 1;
}

int request_sort(struct client_request *request)
{
	struct request_member *members = request->members;
	unsigned int i;

	for (i = 0; i < request->nr_members; i++) {
		if (members[i].minor >= max_snap_devices) {
			request->failed = i;
			return -EINVAL;
		}
	}
	sort(members, request->nr_members, sizeof(*members), by_minor, NULL);
	for (i = 1; i < request->nr_members; i++) {
		if (members[i].minor == members[i - 1].minor) {
			request->failed = members[i].index;
			return -EINVAL;
		}
	}
	return 0;
}

/* Exchange the thread's view of the tree of files, which nobody shares, for the one kept here. */
static void swap_view(struct client_request *request)
{
	struct fs_struct *fs = current->fs;

	compat_fs_lock(fs);
	swap(fs->root, request->root);
	swap(fs->pwd, request->pwd);
	compat_fs_unlock(fs);
}

/* Of all members. */
static int lock_minors(struct client_request *request)
{
	unsigned int i;
	int err;

	for (i = 0; i < request->nr_members; i++) {
		err = minor_lock(request->members[i].minor);
		if (err)
			goto unlock;
	}
	return 0;

unlock:
	while (i--)
		minor_unlock(request->members[i].minor);
	return err;
}

static void unlock_minors(struct client_request *request)
{
	unsigned int i;

	for (i = 0; i < request->nr_members; i++)
		minor_unlock(request->members[i].minor);
}

static int carry_out(struct client_request *request)
{
	int err = lock_minors(request);

	if (err)
		return err;
	err = request->carry_out(request);
	unlock_minors(request);
	return err;
}

static int carry_out_as_client(struct client_request *request)
{
	const struct cred *own;
	int err = unshare_fs_struct();

	if (err)
		return err;
	own = override_creds(request->cred);
	swap_view(request);
	err = carry_out(request);
	swap_view(request);
	revert_creds(own);
	return err;
}

static int request_thread(void *data)
{
	struct client_request *request = data;

	allow_kernel_signal(SIGKILL);
	/* It was ignored until now. Who sends it says so first, and both go through one lock. */
	if (READ_ONCE(request->killed))
		send_sig(SIGKILL, current, 1);
	request->result = carry_out_as_client(request);
	/* Not later: the client may unmount next where it stood. */
	path_put(&request->pwd);
	path_put(&request->root);
	complete(&request->done);
	request_put(request);
	module_put_and_kthread_exit(0);
}

static void kill(struct client_request *request, struct task_struct *thread)
{
	WRITE_ONCE(request->killed, true);
	send_sig(SIGKILL, thread, 1);
	/* Most turn back at once: who looks after the client has ended finds all as it was. */
	wait_for_completion_timeout(&request->done, LAST_MOMENT);
}

int request_run(struct client_request *request)
{
	struct task_struct *thread =
		kthread_create(request_thread, request, "datto_req%u", request->members[0].minor);
	int err;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	request->cred = get_current_cred();
	get_fs_root(current->fs, &request->root);
	get_fs_pwd(current->fs, &request->pwd);
	kref_get(&request->users);
	__module_get(THIS_MODULE); /* the file of the caller holds it too, until it is killed */
	get_task_struct(thread);
	wake_up_process(thread);

	err = wait_for_completion_killable(&request->done);
	if (err)
		kill(request, thread);
	else
		kthread_stop(thread); /* it ends by itself: the module may go once we return */
	put_task_struct(thread);
	return err ? -EINTR : request->result;
}
