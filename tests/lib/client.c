// SPDX-License-Identifier: Apache-2.0
/*
 * A client of libdattobd: calls the function that is named first with the arguments that follow, and prints its result
 * and, if that is -1, errno. A path "-" is NULL. What dattobd_info() filled in is printed field by field.
 */
#include <errno.h>
#include <libdattobd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **values;

static unsigned long long number(int at)
{
	return strtoull(values[at], NULL, 10);
}

static char *path(int at)
{
	return strcmp(values[at], "-") ? values[at] : NULL;
}

static int info(void)
{
	static struct dattobd_info found;
	int result;

	if (!strcmp(values[1], "-"))
		return dattobd_info(number(0), NULL);
	memset(&found, 0xff, sizeof(found));
	result = dattobd_info(number(0), &found);
	if (result)
		return result;
	printf("%u %lu %d %lu %llu %llu %llu %llu %s %s ", found.minor, found.state, found.error,
	       found.cache_size, found.falloc_size, found.seqid, found.version,
	       found.nr_changed_blocks, found.cow, found.bdev);
	for (int i = 0; i < COW_UUID_SIZE; i++)
		printf("%02x", (unsigned char)found.uuid[i]);
	printf("\n");
	return result;
}

/* Members: bdev, cow, size, cache, minor of each. Prints what came back: failed and taken. */
static int group(int (*request)(unsigned int, struct snapshot_group_member *, unsigned int *,
				int *))
{
	struct snapshot_group_member members[4] = { { 0 } };
	unsigned int count = number(0), failed = 99;
	int taken = 99, result;

	for (unsigned int i = 0; i < count && i < 4; i++) {
		members[i].bdev = (uintptr_t)path(1 + 5 * i);
		members[i].cow = (uintptr_t)path(2 + 5 * i);
		members[i].fallocated_space = number(3 + 5 * i);
		members[i].cache_size = number(4 + 5 * i);
		members[i].minor = number(5 + 5 * i);
	}
	result = request(count, members, &failed, &taken);
	printf("%u %d\n", failed, taken);
	return result;
}

static int call(const char *name)
{
	if (!strcmp(name, "dattobd_setup_snapshot_group"))
		return group(dattobd_setup_snapshot_group);
	if (!strcmp(name, "dattobd_transition_snapshot_group"))
		return group(dattobd_transition_snapshot_group);
	if (!strcmp(name, "dattobd_setup_snapshot"))
		return dattobd_setup_snapshot(number(0), path(1), path(2), number(3), number(4));
	if (!strcmp(name, "dattobd_reload_snapshot"))
		return dattobd_reload_snapshot(number(0), path(1), path(2), number(3));
	if (!strcmp(name, "dattobd_reload_incremental"))
		return dattobd_reload_incremental(number(0), path(1), path(2), number(3));
	if (!strcmp(name, "dattobd_destroy"))
		return dattobd_destroy(number(0));
	if (!strcmp(name, "dattobd_transition_incremental"))
		return dattobd_transition_incremental(number(0));
	if (!strcmp(name, "dattobd_transition_snapshot"))
		return dattobd_transition_snapshot(number(0), path(1), number(2));
	if (!strcmp(name, "dattobd_reconfigure"))
		return dattobd_reconfigure(number(0), number(1));
	if (!strcmp(name, "dattobd_info"))
		return info();
	if (!strcmp(name, "dattobd_expand_cow_file"))
		return dattobd_expand_cow_file(number(0), number(1));
	if (!strcmp(name, "dattobd_reconfigure_auto_expand"))
		return dattobd_reconfigure_auto_expand(number(0), number(1), number(2));
	if (!strcmp(name, "dattobd_get_free_minor"))
		return dattobd_get_free_minor();
	exit(2);
}

int main(int argc, char **argv)
{
	int result;

	if (argc < 2)
		return 2;
	values = argv + 2;
	errno = 0;
	result = call(argv[1]);
	printf("%d %d\n", result, result == -1 ? errno : 0);
	return 0;
}
