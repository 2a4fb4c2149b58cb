// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares whole images and devices:
 *
 *	images covers OLD NEW COW_FILE...	every block that differs is in the index of one
 *					(docs/FORMAT.md, A.5)
 *	images differ A B [FILE...]	prints how many blocks differ, leaving out what is in the extents of the FILEs
 *	images same-in A B FILE		FILE's extents are equal in A and B
 *	images zero-in A COW_FILE	the file's extents, the header apart, are zeros in A
 *	images sum A...			prints, for each, a sum of all its words and their places: another one for any change of some words
 *	images listed COW_FILE BYTES [UNIT]	prints how many units of an origin of BYTES bytes have a block that the index lists;
 *					a unit has UNIT bytes, or is a block
 *	images update A COW_FILE B	copies the blocks that the index of COW_FILE lists from A to B, and prints how many
 *
 * Ends with 0 if what is claimed holds, 1 if not, 2 if it could not be compared. Written from the format's description alone: it
 * shares nothing with the code that it checks.
 */
#include "blocks.h"

struct bits {
	uint64_t nr;
	unsigned char *set;
};

static struct bits new_bits(uint64_t nr)
{
	return (struct bits){ nr, calloc(1, nr / 8 + 1) };
}

static int has(const struct bits *b, uint64_t i)
{
	return i < b->nr && b->set[i / 8] >> (i % 8) & 1;
}

static void add(uint64_t block, uint64_t at, void *arg)
{
	struct bits *b = arg;

	(void)at;
	if (block < b->nr)
		b->set[block / 8] |= 1 << (block % 8);
}

static void add_but_header(uint64_t sector, uint64_t at, void *arg)
{
	if (at >= BLOCK_SECTORS)
		add(sector, at, arg);
}

static uint64_t nr_sectors_of(const char *path)
{
	int fd = open_or_give_up(path, O_RDONLY);
	uint64_t nr = (size_of(fd, path) + SECTOR - 1) / SECTOR;

	close(fd);
	return nr;
}

/* The sectors of files: a filesystem with small blocks may begin and end them anywhere. */
static struct bits extents_of(char **files, int count, uint64_t nr)
{
	struct bits b = new_bits(nr);

	for (int i = 0; i < count; i++)
		each_unit(files[i], SECTOR, add, &b);
	return b;
}

/* The sectors that differ. A size that differs is not a comparison: it ends the program. */
static struct bits compare(const char *a, const char *b)
{
	int fa = open_or_give_up(a, O_RDONLY | O_DIRECT),
	    fb = open_or_give_up(b, O_RDONLY | O_DIRECT);
	uint64_t size = size_of(fa, a), at;
	struct bits out = new_bits((size + SECTOR - 1) / SECTOR);
	char *pa = pages(MIB), *pb = pages(MIB);

	if (size_of(fb, b) != size) {
		fprintf(stderr, "%s and %s have different sizes\n", a, b);
		exit(2);
	}
	for (at = 0; at < size; at += MIB) {
		size_t n = size - at < MIB ? size - at : MIB;

		read_all(fa, a, pa, n, at);
		read_all(fb, b, pb, n, at);
		if (!memcmp(pa, pb, n))
			continue;
		for (size_t i = 0; i < n; i += SECTOR)
			if (memcmp(pa + i, pb + i, n - i < SECTOR ? n - i : SECTOR))
				add((at + i) / SECTOR, 0, &out);
	}
	close(fa);
	close(fb);
	return out;
}

/* The blocks of which a sector is in @sectors and not in @but. */
static struct bits blocks_of(const struct bits *sectors, const struct bits *but)
{
	struct bits out = new_bits((sectors->nr + BLOCK_SECTORS - 1) / BLOCK_SECTORS);

	for (uint64_t i = 0; i < sectors->nr; i++)
		if (has(sectors, i) && !has(but, i))
			add(i / BLOCK_SECTORS, 0, &out);
	return out;
}

/* Entry k of the index is the u64 at 4096 + 8 * k; any value but zero says changed. */
static struct bits index_of(const char *path, uint64_t nr)
{
	int fd = open_or_give_up(path, O_RDONLY);
	uint64_t *entries = pages(nr * 8 + BLOCK);
	struct bits out = new_bits(nr);
	uint32_t magic;

	read_all(fd, path, &magic, sizeof(magic), 0);
	if (magic != 4776) {
		fprintf(stderr, "%s: not a COW file: magic %u\n", path, magic);
		exit(2);
	}
	read_all(fd, path, entries, nr * 8, 4096);
	for (uint64_t i = 0; i < nr; i++)
		if (entries[i])
			add(i, 0, &out);
	free(entries);
	close(fd);
	return out;
}

static uint64_t count_of(const struct bits *b)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < b->nr; i++)
		n += has(b, i);
	return n;
}

/* Counts the blocks or sectors in @a that are (@want 1) or are not (0) in @b, and names the first few. */
static uint64_t report(const struct bits *a, const struct bits *b, int want, const char *what)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < a->nr; i++)
		if (has(a, i) && has(b, i) == want && n++ < 8)
			printf("%s: %llu\n", what, (unsigned long long)i);
	return n;
}

static int covers(char **arg, int nr_files)
{
	struct bits sectors = compare(arg[0], arg[1]), none = new_bits(0);
	struct bits diff = blocks_of(&sectors, &none), listed = index_of(arg[2], diff.nr);
	uint64_t missed;

	for (int file = 1; file < nr_files; file++) {
		struct bits more = index_of(arg[2 + file], diff.nr);

		for (uint64_t i = 0; i < diff.nr; i++)
			if (has(&more, i))
				add(i, 0, &listed);
	}
	missed = report(&diff, &listed, 0, "differs but is not listed");

	printf("%llu blocks differ, %llu are listed, %llu were missed\n",
	       (unsigned long long)count_of(&diff), (unsigned long long)count_of(&listed),
	       (unsigned long long)missed);
	return missed != 0;
}

static int differ(char **arg, int nr_files)
{
	struct bits diff = compare(arg[0], arg[1]), skip = extents_of(arg + 2, nr_files, diff.nr);
	struct bits blocks = blocks_of(&diff, &skip);

	printf("%llu\n", (unsigned long long)count_of(&blocks));
	return 0;
}

static int same_in(char **arg)
{
	struct bits diff = compare(arg[0], arg[1]), in = extents_of(arg + 2, 1, diff.nr);

	return report(&diff, &in, 1, "differs") != 0;
}

static int zero_in(char **arg)
{
	struct bits in = new_bits(nr_sectors_of(arg[0])), bad = new_bits(in.nr);
	int fd = open_or_give_up(arg[0], O_RDONLY);
	uint64_t size = size_of(fd, arg[0]);
	char *data = pages(MIB), zeros[SECTOR] = { 0 };

	each_unit(arg[1], SECTOR, add_but_header, &in);
	for (uint64_t at = 0; at < size; at += MIB) {
		size_t n = size - at < MIB ? size - at : MIB, first = at / SECTOR;
		int loaded = 0;

		for (size_t i = 0; i < n / SECTOR; i++) {
			if (!has(&in, first + i))
				continue;
			if (!loaded)
				read_all(fd, arg[0], data, n, at);
			loaded = 1;
			if (memcmp(data + i * SECTOR, zeros, SECTOR))
				add(first + i, 0, &bad);
		}
	}
	return report(&bad, &in, 1, "is not zero") != 0;
}

/* Fast where CPUs are emulated. Four sums, as each step waits for the one before; words of 8 bytes. */
static void sum(const char *path)
{
	static const uint64_t odd = 0x9e3779b97f4a7c15;
	uint64_t sums[4] = { 1, 2, 3, 4 }, *words = pages(MIB), size, at;
	int fd = open_or_give_up(path, O_RDONLY | O_DIRECT);

	size = size_of(fd, path);
	for (at = 0; at < size; at += MIB) {
		size_t n = size - at < MIB ? size - at : MIB;

		memset(words, 0, MIB);
		read_all(fd, path, words, n, at);
		for (size_t i = 0; i < MIB / 8; i += 4)
			for (size_t k = 0; k < 4; k++)
				sums[k] = ((sums[k] << 23 | sums[k] >> 41) ^ words[i + k]) * odd;
	}
	close(fd);
	printf("%016llx%016llx%016llx%016llx\n", (unsigned long long)sums[0],
	       (unsigned long long)sums[1], (unsigned long long)sums[2],
	       (unsigned long long)sums[3]);
	free(words);
}

static uint64_t listed_units(const char *cow_file, uint64_t bytes, uint64_t unit)
{
	struct bits listed = index_of(cow_file, bytes / BLOCK);
	uint64_t n = 0, i, last = UINT64_MAX;

	for (i = 0; i < listed.nr; i++) {
		if (!has(&listed, i) || i * BLOCK / unit == last)
			continue;
		last = i * BLOCK / unit;
		n++;
	}
	return n;
}

static int update(const char *from, const char *cow_file, const char *to)
{
	int in = open_or_give_up(from, O_RDONLY | O_DIRECT), out = open_or_give_up(to, O_RDWR);
	uint64_t size = size_of(in, from), n = 0;
	struct bits listed = index_of(cow_file, (size + BLOCK - 1) / BLOCK);
	char *run = pages(MIB);

	for (uint64_t i = 0, count; i < listed.nr; i += count) {
		uint64_t left = size - i * BLOCK;
		size_t bytes;

		for (count = 0; count < MIB_BLOCKS && has(&listed, i + count); count++)
			n++;
		if (!count) {
			count = 1;
			continue;
		}
		bytes = left < count * BLOCK ? left : count * BLOCK;
		read_all(in, from, run, bytes, i * BLOCK);
		if (pwrite(out, run, bytes, i * BLOCK) != (ssize_t)bytes) {
			fprintf(stderr, "%s: cannot write block %llu\n", to, (unsigned long long)i);
			return 2;
		}
	}
	if (fsync(out) || close(out)) {
		fprintf(stderr, "%s: cannot be written\n", to);
		return 2;
	}
	printf("%llu blocks changed\n", (unsigned long long)n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "covers") && argc >= 5)
		return covers(argv + 2, argc - 4);
	if (!strcmp(what, "differ") && argc >= 4)
		return differ(argv + 2, argc - 4);
	if (!strcmp(what, "same-in") && argc == 5)
		return same_in(argv + 2);
	if (!strcmp(what, "zero-in") && argc == 4)
		return zero_in(argv + 2);
	if (!strcmp(what, "sum") && argc >= 3) {
		for (int i = 2; i < argc; i++)
			sum(argv[i]);
		return 0;
	}
	if (!strcmp(what, "update") && argc == 5)
		return update(argv[2], argv[3], argv[4]);
	if (!strcmp(what, "listed") && (argc == 4 || argc == 5)) {
		uint64_t unit = argc == 5 ? strtoull(argv[4], NULL, 10) : BLOCK;

		printf("%llu\n",
		       (unsigned long long)listed_units(argv[2], strtoull(argv[3], NULL, 10),
							unit));
		return 0;
	}
	fprintf(stderr, "usage: images covers|differ|same-in|zero-in|sum|listed|update ...\n");
	return 2;
}
