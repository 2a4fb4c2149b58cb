/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that look at whole devices and images share: sizes, reading, and the extents of a file. */
#ifndef BLOCKS_H
#define BLOCKS_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, BLOCK = 4096, BLOCK_SECTORS = BLOCK / SECTOR };
enum { MIB = 1 << 20, MIB_BLOCKS = MIB / BLOCK };

static inline void give_up(const char *what, const char *name)
{
	fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
	exit(2);
}

static inline int open_or_give_up(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		give_up("cannot open", path);
	return fd;
}

static inline uint64_t size_of(int fd, const char *path)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		give_up("cannot find the size of", path);
	return end;
}

/* Reads exactly @bytes, or ends the program. */
static inline void read_all(int fd, const char *path, void *to, size_t bytes, uint64_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)to + done, bytes - done, offset + done);

		if (n <= 0) {
			if (n == 0)
				errno = ENODATA;
			give_up("cannot read", path);
		}
		done += n;
	}
}

static inline void *pages(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, BLOCK, bytes))
		give_up("cannot allocate", "memory");
	return p;
}

/* Calls fn(physical unit, unit of the file, arg) for every unit of so many bytes of the file, in file order. */
static inline void each_unit(const char *path, unsigned int unit,
			     void (*fn)(uint64_t physical, uint64_t at, void *arg), void *arg)
{
	int fd = open_or_give_up(path, O_RDONLY), last = 0;
	struct fiemap *map = calloc(1, sizeof(*map) + 128 * sizeof(map->fm_extents[0]));
	uint64_t next = 0;

	while (!last) {
		map->fm_start = next;
		map->fm_length = ~0ull - next;
		map->fm_extent_count = 128;
		map->fm_flags = 0;
		if (ioctl(fd, FS_IOC_FIEMAP, map))
			give_up("cannot map", path);
		if (map->fm_mapped_extents == 0)
			break;
		for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
			struct fiemap_extent *e = &map->fm_extents[i];

			for (uint64_t n = 0; n < e->fe_length / unit; n++)
				fn(e->fe_physical / unit + n, e->fe_logical / unit + n, arg);
			next = e->fe_logical + e->fe_length;
			last |= e->fe_flags & FIEMAP_EXTENT_LAST;
		}
	}
	free(map);
	close(fd);
}

#endif
