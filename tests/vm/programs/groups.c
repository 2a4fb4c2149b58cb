// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asserts what requests about a group answer to arguments that are wrong, row by row of docs/ABI.md, B6.1 to B6.9:
 *
 *	groups DEVICE FOLDER OTHER_DEVICE OTHER_FOLDER
 *
 * Both devices have filesystems that are mounted read-write at these folders. No device may be tracked, and none is afterwards. Prints a
 * line for each row that is not as it should be; ends with the number of these.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "requests.h"

enum { MOST = 32, UNKNOWN = 77 };

static int ctl, wrong, rows;
static struct group_member members[MOST + 1];
static struct group group;
static char cow[2][4096];

/* Asks for the group. Expects an errno, and what is said of the member that is to blame; UNKNOWN: nothing is. */
static void expect(const char *row, unsigned long command, int errno_wanted, uint64_t failed)
{
	int r, got;

	group.failed = group.taken = UNKNOWN;
	r = ioctl(ctl, command, &group);
	got = r ? errno : 0;
	rows++;
	if (r <= 0 && got == errno_wanted && group.failed == failed &&
	    group.taken == (failed == UNKNOWN ? UNKNOWN : !errno_wanted))
		return;
	printf("%s: returned %d, %s, failed %llu, taken %llu; expected %s, failed %llu\n", row, r,
	       strerror(got), (unsigned long long)group.failed, (unsigned long long)group.taken,
	       strerror(errno_wanted), (unsigned long long)failed);
	wrong++;
}

/* Two members as they should be. */
static void reset(char **argv, int is_setup)
{
	memset(members, 0, sizeof(members));
	for (int i = 0; i < 2; i++) {
		members[i].bdev = is_setup ? (uintptr_t)argv[1 + 2 * i] : 0;
		members[i].cow = (uintptr_t)cow[i];
		members[i].minor = i;
	}
	group = (struct group){ .members = (uintptr_t)members, .count = 2 };
}

static void check_arguments(char **argv, unsigned long command, int is_setup)
{
	struct group *read_only;

	reset(argv, is_setup);
	group.flags = 1;
	expect("B6.1 flags", command, EINVAL, UNKNOWN);
	reset(argv, is_setup);
	group.count = 0;
	expect("B6.1 no member", command, EINVAL, UNKNOWN);
	group.count = MOST + 1;
	expect("B6.1 too many members", command, EINVAL, UNKNOWN);
	group.count = 1ull << 60;
	expect("B6.1 a number of members that wraps", command, EINVAL, UNKNOWN);
	reset(argv, is_setup);
	group.members = 8;
	expect("B6.3 members that cannot be read", command, EFAULT, UNKNOWN);
	group.members = -4096ull;
	expect("B6.3 members in the kernel", command, EFAULT, UNKNOWN);
	reset(argv, is_setup);
	members[1].cow = 0;
	expect("B6.4 no cow", command, EINVAL, 1);
	members[1].cow = 8;
	expect("B6.4 cow unreadable", command, EFAULT, 1);
	members[0].cow = -4096ull;
	expect("B6.4 cow in the kernel, of the first", command, EFAULT, 0);
	reset(argv, is_setup);
	members[0].bdev = is_setup ? 0 : members[0].cow;
	expect("B6.4 bdev", command, EINVAL, 0);
	if (!is_setup) {
		reset(argv, is_setup);
		members[1].cache = 1;
		expect("B6.4 cache", command, EINVAL, 1);
	}
	reset(argv, is_setup);
	members[1].minor = 1000;
	expect("B6.5 minor too high", command, EINVAL, 1);
	members[1].minor = 1ull << 32;
	expect("B6.5 minor that would be cut", command, EINVAL, 1);
	members[1].minor = members[0].minor;
	expect("B6.5 a minor twice", command, EINVAL, 1);
	reset(argv, is_setup);
	read_only = mmap(NULL, sizeof(group), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	*read_only = group;
	mprotect(read_only, sizeof(group), PROT_READ);
	rows++;
	if (ioctl(ctl, command, read_only) != -1 || errno != EFAULT) {
		printf("B6.3 an answer that cannot be written: %s\n", strerror(errno));
		wrong++;
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: groups DEVICE FOLDER OTHER_DEVICE OTHER_FOLDER\n");
		return 255;
	}
	ctl = open("/dev/datto-ctl", O_RDONLY);
	if (ctl < 0) {
		perror("/dev/datto-ctl");
		return 255;
	}
	snprintf(cow[0], sizeof(cow[0]), "%s/cow", argv[2]);
	snprintf(cow[1], sizeof(cow[1]), "%s/cow", argv[4]);
	check_arguments(argv, SETUP_GROUP, 1);
	check_arguments(argv, TO_SNAP_GROUP, 0);
	reset(argv, 1);
	members[1].bdev = members[0].bdev;
	members[1].cow = members[0].cow;
	expect("B6.7 an origin twice", SETUP_GROUP, EINVAL, 1);
	reset(argv, 0);
	expect("B6.6 minors that are not in use", TO_SNAP_GROUP, ENOENT, 0);
	/* What is first in the order of minors is second here. */
	reset(argv, 1);
	members[0].minor = 3;
	members[0].cow = (uintptr_t) "/dev/null";
	expect("B6.8 the member is told by its place", SETUP_GROUP, EINVAL, 0);
	printf("%d rows, %d wrong\n", rows, wrong);
	return wrong > 250 ? 250 : wrong;
}
