// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes random bytes to the disk:
 *
 *	noise FILE MIB		a file of MIB MiB, in place of one that is there
 *
 * The kernel's own are encrypted with care, which takes an emulated CPU ten times as long. No two runs write the same.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { WORDS = (1 << 20) / sizeof(uint64_t) };

static uint64_t piece[WORDS];

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	uint64_t state;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: noise FILE MIB\n");
		return 2;
	}
	if (getrandom(&state, sizeof(state), 0) != sizeof(state))
		give_up("getrandom");
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0)
		give_up(argv[1]);
	for (unsigned long mib = strtoul(argv[2], NULL, 10); mib > 0; mib--) {
		for (int i = 0; i < WORDS; i++)
			piece[i] = mix(state += 0x9e3779b97f4a7c15);
		if (write(fd, piece, sizeof(piece)) != sizeof(piece))
			give_up(argv[1]);
	}
	if (fsync(fd) || close(fd))
		give_up(argv[1]);
	return 0;
}
