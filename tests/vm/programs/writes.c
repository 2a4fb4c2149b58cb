// SPDX-License-Identifier: GPL-2.0-only
/*
 * Overwrites a file, or a device, with random bytes, in one of the less common ways:
 *
 *	writes nowait|dsync|mapped|flush FILE [OFFSET BYTES]	all of it, which must be allocated and written already
 *
 * nowait: O_DIRECT with RWF_NOWAIT; what the kernel refuses for now (EAGAIN) is tried again, and at least one write in
 * four must pass at first. dsync: O_DIRECT with O_DSYNC, which is FUA where the disk has it. flush: O_DIRECT and
 * fdatasync() after each. mapped: through a shared mapping, synced at the end.
 */
#include "blocks.h"
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>

/* NOWAIT_PIECE: a write that must be split is never one that does not wait. */
enum { PIECE = 16 * BLOCK, NOWAIT_PIECE = 2 * BLOCK, TRIES = 10000 };

static unsigned char *buffer;
static uint64_t from, length; /* 0: all */

static void fill(void)
{
	for (size_t done = 0; done < PIECE;) {
		ssize_t n = getrandom(buffer + done, PIECE - done, 0);

		if (n < 0)
			give_up("cannot get", "random bytes");
		done += n;
	}
}

/* Returns whether the kernel took it at once. */
static int write_piece(int fd, const char *path, size_t bytes, uint64_t offset, int flags)
{
	struct iovec vec = { buffer, bytes };
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		ssize_t n = pwritev2(fd, &vec, 1, offset, flags);

		if (n == (ssize_t)bytes)
			return !tries;
		if (n >= 0 || errno != EAGAIN)
			give_up("cannot write", path);
		usleep(1000);
	}
	give_up("cannot write at once, however often, to", path);
	return 0;
}

static void write_mapped(const char *path)
{
	int fd = open_or_give_up(path, O_RDWR);
	uint64_t bytes = size_of(fd, path);
	unsigned char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		give_up("cannot map", path);
	for (uint64_t done = 0; done + PIECE <= bytes; done += PIECE) {
		fill();
		memcpy(at + done, buffer, PIECE);
	}
	if (msync(at, bytes, MS_SYNC))
		give_up("cannot sync", path);
}

static void write_direct(const char *path, size_t piece, int open_flags, int write_flags, int sync)
{
	int fd = open_or_give_up(path, O_WRONLY | O_DIRECT | open_flags);
	uint64_t bytes = length ? length : size_of(fd, path), pieces = 0, at_once = 0;

	for (uint64_t done = 0; done + piece <= bytes; done += piece, pieces++) {
		fill();
		at_once += write_piece(fd, path, piece, from + done, write_flags);
		if (sync && fdatasync(fd))
			give_up("cannot sync", path);
	}
	if (at_once * 4 < pieces) {
		fprintf(stderr, "%s: only %llu of %llu writes passed at once\n", path,
			(unsigned long long)at_once, (unsigned long long)pieces);
		exit(1);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 || argc == 5 ? argv[1] : "";

	if (argc == 5) {
		from = strtoull(argv[3], NULL, 10);
		length = strtoull(argv[4], NULL, 10);
	}
	buffer = aligned_alloc(BLOCK, PIECE);
	if (!strcmp(how, "nowait"))
		write_direct(argv[2], NOWAIT_PIECE, 0, RWF_NOWAIT, 0);
	else if (!strcmp(how, "dsync"))
		write_direct(argv[2], PIECE, O_DSYNC, 0, 0);
	else if (!strcmp(how, "flush"))
		write_direct(argv[2], PIECE, 0, 0, 1);
	else if (!strcmp(how, "mapped"))
		write_mapped(argv[2]);
	else
		return 2;
	return 0;
}
