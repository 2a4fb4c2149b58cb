// SPDX-License-Identifier: GPL-2.0-only
/* From 5.19, and in late 5.10, fsnotify_alloc_group() takes flags. */
#include <linux/fsnotify_backend.h>

struct fsnotify_group *probe(const struct fsnotify_ops *ops);
struct fsnotify_group *probe(const struct fsnotify_ops *ops)
{
	return fsnotify_alloc_group(ops, 0);
}
