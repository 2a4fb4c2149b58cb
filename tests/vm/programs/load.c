// SPDX-License-Identifier: GPL-2.0-only
/*
 * A filesystem load of small, mixed operations on a bounded set of files, until SIGTERM or SIGINT:
 *
 *	load FOLDER FILES OPERATIONS_PER_SECOND SEED
 *
 * Each of FILES files stays below 2 MiB. Prints the number of operations and ends with 0; ends with 1 on the first error
 * that a healthy, possibly full filesystem cannot give.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 2 << 20, PIECE_MAX = 128 << 10, NR_FOLDERS = 8 };

static volatile sig_atomic_t stopped;
static unsigned char *piece; /* PIECE_MAX bytes, page aligned */
static unsigned int nr_files;
static uint64_t state;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

static void check(const char *what, int failed)
{
	if (!failed || errno == ENOSPC || errno == ENOENT || errno == EEXIST ||
	    errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTEMPTY || errno == EINTR ||
	    errno == EFBIG)
		return;
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *name(char out[64])
{
	uint32_t n = any(nr_files);

	snprintf(out, 64, "d%u/f%u", n % NR_FOLDERS, n);
	return out;
}

static void fill_piece(void)
{
	uint32_t start = any(PIECE_MAX / 8), i;

	for (i = start; i < PIECE_MAX / 8 && i < start + 512; i++)
		((uint64_t *)piece)[i] = state + i;
}

static void write_some(int fd, uint32_t unit)
{
	uint32_t bytes = (1 + any(PIECE_MAX / unit)) * unit;
	uint32_t offset = any((FILE_MAX - bytes) / unit + 1) * unit;

	fill_piece();
	check(unit == 1 ? "write" : "direct write", pwrite(fd, piece, bytes, offset) < 0);
}

static void write_mapped(int fd)
{
	uint32_t page = sysconf(_SC_PAGESIZE);
	uint32_t bytes = (1 + any(32 * 4096 / page)) * page;
	uint32_t offset = any((FILE_MAX - PIECE_MAX) / page) * page;
	struct stat st;
	void *map;

	check("fstat", fstat(fd, &st));
	/* Blocks are reserved first: a full filesystem would answer a mapped write with SIGBUS. */
	if (fallocate(fd, 0, offset, bytes)) {
		check("fallocate", 1);
		return;
	}
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED) {
		check("mmap", 1);
		return;
	}
	memset(map, any(256), bytes - any(4096));
	if (any(3) == 0)
		check("msync", msync(map, bytes, MS_SYNC));
	munmap(map, bytes);
}

static void allocate_some(int fd)
{
	static const int modes[] = { 0,
				     FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_COLLAPSE_RANGE,
				     FALLOC_FL_INSERT_RANGE };
	uint32_t bytes = (1 + any(64)) * 4096, offset = any((FILE_MAX - 64 * 4096) / 4096) * 4096;
	int mode = modes[any(6)];
	struct stat st;

	check("fstat", fstat(fd, &st));
	if (mode == FALLOC_FL_INSERT_RANGE && st.st_size > FILE_MAX / 2)
		return;
	check("fallocate", fallocate(fd, mode, offset, bytes));
}

static void with_file(uint32_t kind)
{
	int direct = kind == 1 ? O_DIRECT : 0, fd;
	char path[64];

	fd = open(name(path), O_RDWR | O_CREAT | direct, 0644);
	check("open", fd < 0);
	if (fd < 0)
		return;
	switch (kind) {
	case 0:
		write_some(fd, 1);
		break;
	case 1:
		write_some(fd, any(2) ? 4096 : 512);
		break;
	case 2:
		write_mapped(fd);
		break;
	case 3:
		allocate_some(fd);
		break;
	case 4:
		check("ftruncate", ftruncate(fd, any(FILE_MAX)));
		break;
	case 5:
		check("fsync", any(2) ? fsync(fd) : fdatasync(fd));
		break;
	case 6:
		check("fsetxattr", fsetxattr(fd, "user.load", piece, 1 + any(200), 0));
		break;
	}
	close(fd);
}

static void with_names(uint32_t kind)
{
	char a[64], b[64];

	name(a);
	name(b);
	switch (kind) {
	case 0:
	case 1:
		check("unlink", unlink(a));
		break;
	case 2:
		check("rename", rename(a, b));
		break;
	case 3:
		check("link", link(a, b));
		break;
	case 4:
		snprintf(a, sizeof(a), "d%u/sub%u", any(NR_FOLDERS), any(4));
		check("mkdir", any(2) ? mkdir(a, 0755) : rmdir(a));
		break;
	}
}

static void pause_between(uint32_t per_second)
{
	struct timespec t = { 0, 1000000000L / per_second };

	if (per_second > 1)
		nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
	unsigned long count = 0;
	char path[16];
	int i;

	if (argc != 5 || chdir(argv[1])) {
		fprintf(stderr, "usage: load FOLDER FILES OPERATIONS_PER_SECOND SEED\n");
		return 2;
	}
	nr_files = atoi(argv[2]);
	state = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252ull;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (posix_memalign((void **)&piece, 4096, PIECE_MAX))
		return 2;
	memset(piece, 0x5a, PIECE_MAX);
	for (i = 0; i < NR_FOLDERS; i++) {
		snprintf(path, sizeof(path), "d%d", i);
		check("mkdir", mkdir(path, 0755));
	}
	for (; !stopped; count++) {
		uint32_t kind = any(24);

		if (kind < 5)
			with_file(0);
		else if (kind < 9)
			with_file(1);
		else if (kind < 12)
			with_file(2);
		else if (kind < 18)
			with_file(kind < 15 ? 3 : kind - 11);
		else
			with_names(any(5));
		pause_between(atoi(argv[3]));
	}
	printf("load: %lu operations, seed %s\n", count, argv[4]);
	return 0;
}
