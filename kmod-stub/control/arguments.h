/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arguments of the ioctls. Each function fills in a request, or returns -%EFAULT, -%EINVAL or
 * -%ENOMEM; the minors are not checked.
 */
#ifndef DATTOBD_CONTROL_ARGUMENTS_H
#define DATTOBD_CONTROL_ARGUMENTS_H

#include <linux/compiler_types.h>

struct client_request;

int arguments_read_setup(struct client_request *request, void __user *argument);
int arguments_read_reload(struct client_request *request, void __user *argument);
int arguments_read_minor(struct client_request *request, void __user *argument);
int arguments_read_to_snapshot(struct client_request *request, void __user *argument);
int arguments_read_reconfigure(struct client_request *request, void __user *argument);
int arguments_read_expand(struct client_request *request, void __user *argument);
int arguments_read_auto_expand(struct client_request *request, void __user *argument);
int arguments_read_setup_group(struct client_request *request, void __user *argument);
int arguments_read_to_snapshot_group(struct client_request *request, void __user *argument);

/** arguments_answer_group() - Tell which member failed, and whether the snapshots were taken. */
int arguments_answer_group(const struct client_request *request, void __user *argument);

#endif
