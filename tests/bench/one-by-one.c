// SPDX-License-Identifier: GPL-2.0-only
/*
 * The baseline of the bench: brings an image up to date the plain way, one block at a time, through the page cache.
 *
 *   one-by-one <snapshot> <cow file> <image> <bytes of the snapshot>
 *
 * The index is an array of 8-byte entries from offset 4096 on, one per block of 4096 bytes; what is not zero has changed.
 * The image is on disk at the end, as update-img leaves it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 4096
#define ENTRIES 4096

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	static uint64_t entries[ENTRIES];
	static char data[BLOCK];
	int snapshot, cow, image;
	uint64_t nr_blocks;

	if (argc != 5)
		errx(2, "expected <snapshot> <cow file> <image> <bytes>");
	snapshot = open_or_die(argv[1], O_RDONLY);
	cow = open_or_die(argv[2], O_RDONLY);
	image = open_or_die(argv[3], O_WRONLY);
	nr_blocks = strtoull(argv[4], NULL, 10) / BLOCK;
	for (uint64_t first = 0; first < nr_blocks; first += ENTRIES) {
		if (pread(cow, entries, sizeof(entries), BLOCK + 8 * first) != sizeof(entries))
			errx(1, "%s: short index", argv[2]);
		for (uint64_t i = 0; i < ENTRIES && first + i < nr_blocks; i++) {
			off_t offset = (first + i) * BLOCK;

			if (!entries[i])
				continue;
			if (pread(snapshot, data, BLOCK, offset) != BLOCK)
				err(1, "%s: block %llu", argv[1], (unsigned long long)(first + i));
			if (pwrite(image, data, BLOCK, offset) != BLOCK)
				err(1, "%s: block %llu", argv[3], (unsigned long long)(first + i));
		}
	}
	if (fsync(image))
		err(1, "%s", argv[3]);
	return 0;
}
