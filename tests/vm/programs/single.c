// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rewrites 4 KiB blocks of a file, anywhere in it, one at a time, by O_DIRECT and O_DSYNC, until SIGTERM:
 *
 *	single FILE
 *
 * Prints a line for each write: when it ended, in ms since 1970, and how long it took, in ns.
 */
#include "blocks.h"
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t *data = pages(BLOCK), random = 0x9e3779b97f4a7c15ull, blocks, begin, ns;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: single FILE\n");
		return 2;
	}
	fd = open_or_give_up(argv[1], O_WRONLY | O_DIRECT | O_DSYNC);
	blocks = size_of(fd, argv[1]) / BLOCK;
	if (!blocks) {
		fprintf(stderr, "%s: shorter than a block\n", argv[1]);
		return 2;
	}
	signal(SIGTERM, end);
	while (!ended) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		for (unsigned int i = 0; i < BLOCK / sizeof(*data); i++)
			data[i] = random + i;
		begin = now_ns(CLOCK_MONOTONIC);
		if (pwrite(fd, data, BLOCK, random % blocks * BLOCK) != BLOCK)
			give_up("cannot write to", argv[1]);
		ns = now_ns(CLOCK_MONOTONIC) - begin;
		printf("%llu %llu\n", (unsigned long long)(now_ns(CLOCK_REALTIME) / 1000000),
		       (unsigned long long)ns);
	}
	return 0;
}
