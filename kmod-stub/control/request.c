// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
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
	return request;
}

static void request_free(struct kref *users)
{
	struct client_request *request = container_of(users, struct client_request, users);

	if (request->cred)
		put_cred(request->cred);
	kfree(request->origin);
	kfree(request->cow);
	kfree(request);
}

void request_put(struct client_request *request)
{
	kref_put(&request->users, request_free);
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

static int carry_out(struct client_request *request)
{
	int err = minor_lock(request->minor);

	if (err)
		return err;
	err = request->carry_out(request);
	minor_unlock(request->minor);
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
		kthread_create(request_thread, request, "datto_req%u", request->minor);
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
