// SPDX-License-Identifier: GPL-2.0-only
/*
 * What clients ask for: the arguments of the ioctls. Nothing in them can be trusted. The order of
 * the checks is part of the interface (docs/ABI.md, B.4).
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "control/arguments.h"
#include "control/request.h"
#include "layout.h"

static int copy_argument(void *to, const void __user *from, size_t bytes)
{
	return copy_from_user(to, from, bytes) ? -EFAULT : 0;
}

/* A path of at most 4095 characters, to be freed by kfree(). */
static int copy_path(char **to, const char __user *from)
{
	char *path = from ? strndup_user(from, PATH_MAX) : ERR_PTR(-EINVAL);

	if (IS_ERR(path))
		return PTR_ERR(path);
	*to = path;
	return 0;
}

int arguments_read_setup(struct client_request *request, void __user *argument)
{
	struct setup_params params;
	int err = copy_argument(&params, argument, sizeof(params))	?:
			  copy_path(&request->only.origin, params.bdev) ?:
			  copy_path(&request->only.cow, params.cow);

	request->only.minor = params.minor;
	request->only.mib = params.fallocated_space;
	request->only.cache_bytes = params.cache_size;
	return err;
}

int arguments_read_reload(struct client_request *request, void __user *argument)
{
	struct reload_params params;
	int err = copy_argument(&params, argument, sizeof(params))	?:
			  copy_path(&request->only.origin, params.bdev) ?:
			  copy_path(&request->only.cow, params.cow);

	request->only.minor = params.minor;
	request->only.cache_bytes = params.cache_size;
	return err;
}

int arguments_read_minor(struct client_request *request, void __user *argument)
{
	return copy_argument(&request->only.minor, argument, sizeof(request->only.minor));
}

int arguments_read_to_snapshot(struct client_request *request, void __user *argument)
{
	struct transition_snap_params params;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_path(&request->only.cow, params.cow);

	request->only.minor = params.minor;
	request->only.mib = params.fallocated_space;
	return err;
}

int arguments_read_reconfigure(struct client_request *request, void __user *argument)
{
	struct reconfigure_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->only.minor = params.minor;
	request->only.cache_bytes = params.cache_size;
	return err;
}

int arguments_read_expand(struct client_request *request, void __user *argument)
{
	struct expand_cow_file_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->only.minor = params.minor;
	request->only.mib = params.size;
	return err;
}

int arguments_read_auto_expand(struct client_request *request, void __user *argument)
{
	struct reconfigure_auto_expand_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->only.minor = params.minor;
	request->only.mib = params.step_size;
	request->only.reserved_mib = params.reserved_space;
	return err;
}

/* @with_origin: else that, and the cache, are not asked for */
static int read_member(struct request_member *member, const struct snapshot_group_member *given,
		       bool with_origin)
{
	int err = 0;

	if (with_origin)
		err = copy_path(&member->origin, u64_to_user_ptr(given->bdev));
	else if (given->bdev || given->cache_size)
		err = -EINVAL;
	if (!err)
		err = copy_path(&member->cow, u64_to_user_ptr(given->cow));
	if (!err && given->minor > UINT_MAX)
		err = -EINVAL;
	member->minor = given->minor;
	member->mib = given->fallocated_space;
	member->cache_bytes = given->cache_size;
	return err;
}

static int read_members(struct client_request *request, const struct snapshot_group_params *params,
			bool with_origin)
{
	struct snapshot_group_member *given =
		memdup_user(u64_to_user_ptr(params->members), params->count * sizeof(*given));
	unsigned int i;
	int err;

	if (IS_ERR(given))
		return PTR_ERR(given);
	err = request_extend(request, params->count);
	for (i = 0; !err && i < params->count; i++) {
		err = read_member(&request->members[i], &given[i], with_origin);
		if (err)
			request->failed = i;
	}
	kfree(given);
	return err;
}

static int read_group(struct client_request *request, void __user *argument, bool with_origin)
{
	struct snapshot_group_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	if (!err && (params.flags || !params.count || params.count > DATTOBD_GROUP_MAX))
		err = -EINVAL;
	if (err)
		return err;
	/* Can the answer be written? Later it would be too late. */
	return read_members(request, &params, with_origin) ?:
		       arguments_answer_group(request, argument);
}

int arguments_read_setup_group(struct client_request *request, void __user *argument)
{
	return read_group(request, argument, true);
}

int arguments_read_to_snapshot_group(struct client_request *request, void __user *argument)
{
	return read_group(request, argument, false);
}

int arguments_answer_group(const struct client_request *request, void __user *argument)
{
	struct snapshot_group_params __user *params = argument;

	if (request->members == &request->only)
		return 0; /* it was refused before its members were known */
	if (put_user((u64)request->failed, &params->failed) ||
	    put_user((u64)request->taken, &params->taken))
		return -EFAULT;
	return 0;
}
