// SPDX-License-Identifier: GPL-2.0-only
/*
 * dbdctl's command line without Node, which takes seconds to start in an emulated machine: one request to the driver, through
 * libdattobd. Prints nothing and ends with 0, or prints the errno's text on standard error and ends with 255.
 */
#include <errno.h>
#include <libdattobd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USAGE = 2, FAILURE = 255 };

static unsigned long long cache, mib, reserved;

static void usage(void)
{
	fprintf(stderr, "dbdctl for tests: wrong command line\n");
	exit(USAGE);
}

static unsigned long long number(const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		usage();
	return value;
}

static int setup_snapshot(char **argv)
{
	return dattobd_setup_snapshot(number(argv[2]), argv[0], argv[1], mib, cache);
}

static int reload_snapshot(char **argv)
{
	return dattobd_reload_snapshot(number(argv[2]), argv[0], argv[1], cache);
}

static int reload_incremental(char **argv)
{
	return dattobd_reload_incremental(number(argv[2]), argv[0], argv[1], cache);
}

static int destroy(char **argv)
{
	return dattobd_destroy(number(argv[0]));
}

static int transition_to_incremental(char **argv)
{
	return dattobd_transition_incremental(number(argv[0]));
}

static int transition_to_snapshot(char **argv)
{
	return dattobd_transition_snapshot(number(argv[1]), argv[0], mib);
}

static int reconfigure(char **argv)
{
	return dattobd_reconfigure(number(argv[0]), cache);
}

static int expand_cow_file(char **argv)
{
	return dattobd_expand_cow_file(number(argv[1]), number(argv[0]));
}

static int reconfigure_auto_expand(char **argv)
{
	return dattobd_reconfigure_auto_expand(number(argv[1]), number(argv[0]), reserved);
}

/* Operands of each member follow each other; @nr_operands of one, of which the first is its origin if there are three. */
static int group(char **argv, int nr_operands,
		 int (*request)(unsigned int, struct snapshot_group_member *, unsigned int *,
				int *))
{
	struct snapshot_group_member members[DATTOBD_GROUP_MAX] = { { 0 } };
	unsigned int count = 0, failed;
	int taken, result, saved;

	for (; *argv; argv += nr_operands, count++) {
		if (count == DATTOBD_GROUP_MAX)
			usage();
		if (nr_operands == 3) {
			members[count].bdev = (uintptr_t)argv[0];
			members[count].cache_size = cache;
		}
		members[count].cow = (uintptr_t)argv[nr_operands - 2];
		members[count].fallocated_space = mib;
		members[count].minor = number(argv[nr_operands - 1]);
	}
	result = request(count, members, &failed, &taken);
	saved = errno;
	if (result)
		fprintf(stderr, "member %u of %u, taken %d\n", failed, count, taken);
	errno = saved;
	return result;
}

static int setup_snapshot_group(char **argv)
{
	return group(argv, 3, dattobd_setup_snapshot_group);
}

static int transition_to_snapshot_group(char **argv)
{
	return group(argv, 2, dattobd_transition_snapshot_group);
}

/* operands: of a group, those of one member */
static const struct {
	const char *name;
	int operands;
	int (*request)(char **argv);
	int is_group;
} commands[] = {
	{ "setup-snapshot", 3, setup_snapshot, 0 },
	{ "reload-snapshot", 3, reload_snapshot, 0 },
	{ "reload-incremental", 3, reload_incremental, 0 },
	{ "destroy", 1, destroy, 0 },
	{ "transition-to-incremental", 1, transition_to_incremental, 0 },
	{ "transition-to-snapshot", 2, transition_to_snapshot, 0 },
	{ "reconfigure", 1, reconfigure, 0 },
	{ "expand-cow-file", 2, expand_cow_file, 0 },
	{ "reconfigure-auto-expand", 2, reconfigure_auto_expand, 0 },
	{ "setup-snapshot-group", 3, setup_snapshot_group, 1 },
	{ "transition-to-snapshot-group", 2, transition_to_snapshot_group, 1 },
};

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:f:r:")) != -1) {
		switch (option) {
		case 'c':
			cache = number(optarg);
			break;
		case 'f':
			mib = number(optarg);
			break;
		case 'r':
			reserved = number(optarg);
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, argv[0]))
			continue;
		if (commands[i].is_group ? (argc - 1) % commands[i].operands :
					   argc != commands[i].operands + 1)
			usage();
		if (!commands[i].request(argv + 1))
			return 0;
		fprintf(stderr, "dbdctl for tests: %s: %s\n", argv[0], strerror(errno));
		return FAILURE;
	}
	usage();
}
