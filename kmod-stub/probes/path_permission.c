// SPDX-License-Identifier: GPL-2.0-only
/* From 5.12 on. */
#include <linux/fs.h>

int probe(const struct path *path);
int probe(const struct path *path)
{
	return path_permission(path, MAY_WRITE);
}
