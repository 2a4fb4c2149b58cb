// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks at random places of a large file, far apart:
 *
 *	scatter write FILE COUNT SEED	writes COUNT blocks, which say SEED and their number, past the page cache; the last one is the
 *					file's last
 *	scatter map FILE COUNT SEED	prints where on the device those blocks lie, in blocks
 *	scatter check FILE COUNT SEED	the blocks are there
 *	scatter equal A B <PLACES	the blocks at these places (numbers, one a line) are equal in two files or devices; prints how many
 *	scatter fill DATA FROM TO	copies from FROM to TO what DATA, a sparse file, has data for
 *
 * Ends with 0 if what is claimed holds, 1 if not, 2 if it could not be compared.
 */
#include "blocks.h"

/* splitmix64: each number has a place of its own. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t place(uint64_t seed, uint64_t n, uint64_t count, uint64_t nr_blocks)
{
	return n == count - 1 ? nr_blocks - 1 : mix(mix(seed) + n) % nr_blocks;
}

static void make(uint64_t *block, uint64_t seed, uint64_t at)
{
	for (unsigned int i = 0; i < BLOCK / sizeof(*block); i++)
		block[i] = mix(seed ^ (at * 512 + i));
}

static void write_blocks(const char *path, uint64_t count, uint64_t seed)
{
	int fd = open_or_give_up(path, O_WRONLY | O_DIRECT);
	uint64_t nr_blocks = size_of(fd, path) / BLOCK, *block = pages(BLOCK);

	for (uint64_t n = 0; n < count; n++) {
		uint64_t at = place(seed, n, count, nr_blocks);

		make(block, seed, at);
		if (pwrite(fd, block, BLOCK, at * BLOCK) != BLOCK)
			give_up("cannot write to", path);
	}
	if (fsync(fd))
		give_up("cannot sync", path);
}

static void map_blocks(const char *path, uint64_t count, uint64_t seed)
{
	int fd = open_or_give_up(path, O_RDONLY);
	uint64_t nr_blocks = size_of(fd, path) / BLOCK;
	struct fiemap *map = calloc(1, sizeof(*map) + sizeof(map->fm_extents[0]));

	for (uint64_t n = 0; n < count; n++) {
		uint64_t at = place(seed, n, count, nr_blocks);
		struct fiemap_extent *e = &map->fm_extents[0];

		*map = (struct fiemap){ .fm_start = at * BLOCK,
					.fm_length = BLOCK,
					.fm_extent_count = 1 };
		if (ioctl(fd, FS_IOC_FIEMAP, map) || map->fm_mapped_extents != 1)
			give_up("cannot map", path);
		printf("%ju\n", (uintmax_t)((e->fe_physical + at * BLOCK - e->fe_logical) / BLOCK));
	}
}

static int check_blocks(const char *path, uint64_t count, uint64_t seed)
{
	int fd = open_or_give_up(path, O_RDONLY | O_DIRECT);
	uint64_t nr_blocks = size_of(fd, path) / BLOCK, *block = pages(BLOCK),
		 *wanted = pages(BLOCK);

	for (uint64_t n = 0; n < count; n++) {
		uint64_t at = place(seed, n, count, nr_blocks);

		read_all(fd, path, block, BLOCK, at * BLOCK);
		make(wanted, seed, at);
		if (memcmp(block, wanted, BLOCK)) {
			printf("block %ju of %s is not what was written\n", (uintmax_t)at, path);
			return 1;
		}
	}
	return 0;
}

static int compare(const char *left, const char *right)
{
	int a = open_or_give_up(left, O_RDONLY | O_DIRECT),
	    b = open_or_give_up(right, O_RDONLY | O_DIRECT);
	void *x = pages(BLOCK), *y = pages(BLOCK);
	uint64_t nr = 0, differ = 0;
	uintmax_t at;

	while (scanf("%ju", &at) == 1) {
		read_all(a, left, x, BLOCK, at * BLOCK);
		read_all(b, right, y, BLOCK, at * BLOCK);
		if (memcmp(x, y, BLOCK) && !differ++)
			printf("block %ju differs\n", at);
		nr++;
	}
	printf("%ju\n", (uintmax_t)nr);
	return differ || !nr;
}

static void fill(const char *data, const char *from, const char *to)
{
	int sparse = open_or_give_up(data, O_RDONLY),
	    in = open_or_give_up(from, O_RDONLY | O_DIRECT);
	int out = open_or_give_up(to, O_WRONLY);
	char *buffer = pages(MIB);
	off_t at = 0, end;

	while ((at = lseek(sparse, at, SEEK_DATA)) >= 0) {
		end = lseek(sparse, at, SEEK_HOLE);
		for (at -= at % BLOCK; at < end;) {
			size_t bytes =
				end - at < MIB ? (end - at + BLOCK - 1) / BLOCK * BLOCK : MIB;

			read_all(in, from, buffer, bytes, at);
			if (pwrite(out, buffer, bytes, at) != (ssize_t)bytes)
				give_up("cannot write to", to);
			at += bytes;
		}
	}
	if (errno != ENXIO || fsync(out))
		give_up("cannot copy to", to);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(what, "equal"))
		return compare(argv[2], argv[3]);
	if (argc == 5 && !strcmp(what, "fill"))
		fill(argv[2], argv[3], argv[4]);
	else if (argc == 5 && !strcmp(what, "write"))
		write_blocks(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	else if (argc == 5 && !strcmp(what, "map"))
		map_blocks(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	else if (argc == 5 && !strcmp(what, "check"))
		return check_blocks(argv[2], strtoull(argv[3], NULL, 0),
				    strtoull(argv[4], NULL, 0));
	else
		return 2;
	return 0;
}
