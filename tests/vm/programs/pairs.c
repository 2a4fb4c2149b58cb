// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers that are written to several volumes in order, and what snapshots of these at one instant must show:
 *
 *	pairs make FILE...
 *	pairs write TARGET...
 *	pairs check SNAPSHOT:FILE...
 *
 * "make" fills each FILE with zeros, in blocks of its own. "write" writes 1 to each TARGET in order, then 2 to each, and so on until it
 * is killed: number n to block n % SLOTS, past the page cache and durably, so that each write has ended before the next one begins. A
 * TARGET is a FILE, or DEVICE:FILE, whose blocks are then written past the filesystem. "check" reads the same blocks of snapshots, given
 * in the order in which they are written: all have the same last number, or from one of them on the number before it, and no snapshot
 * misses a number in between. Prints the last numbers; ends with 1 if they are wrong.
 */
#include "blocks.h"

enum { SLOTS = 64, TARGETS_MAX = 8 };

struct target {
	const char *path;
	int fd;
	uint64_t place[SLOTS]; /* in bytes */
};

static void note(uint64_t block, uint64_t at, void *arg)
{
	struct target *target = arg;

	if (at < SLOTS)
		target->place[at] = block * BLOCK;
}

static void make(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	char *zeros = pages(SLOTS * BLOCK);

	memset(zeros, 0, SLOTS * BLOCK);
	if (fd < 0 || write(fd, zeros, SLOTS * BLOCK) != SLOTS * BLOCK || fsync(fd))
		give_up("cannot make", path);
	close(fd);
}

/* @name: FILE, or DEVICE:FILE */
static void open_target(struct target *target, char *name, int flags)
{
	char *file = strchr(name, ':');

	memset(target, 0, sizeof(*target));
	for (int i = 0; i < SLOTS; i++)
		target->place[i] = (uint64_t)i * BLOCK;
	if (file) {
		*file++ = 0;
		each_unit(file, BLOCK, note, target);
	}
	target->path = name;
	target->fd = open_or_give_up(name, flags);
}

static void __attribute__((noreturn)) write_for_ever(struct target *targets, int nr)
{
	uint64_t *block = pages(BLOCK);

	for (uint64_t n = 1;; n++) {
		for (int i = 0; i < BLOCK / 8; i++)
			block[i] = n;
		for (int i = 0; i < nr; i++) {
			if (pwrite(targets[i].fd, block, BLOCK, targets[i].place[n % SLOTS]) !=
			    BLOCK)
				give_up("cannot write", targets[i].path);
		}
	}
}

/* The last number that a snapshot has. All before it are there, as far as they are not overwritten. */
static uint64_t last_number(const struct target *target, int *wrong)
{
	uint64_t *block = pages(BLOCK), found[SLOTS], last = 0;

	for (int slot = 0; slot < SLOTS; slot++) {
		read_all(target->fd, target->path, block, BLOCK, target->place[slot]);
		found[slot] = block[0];
		for (int i = 1; i < BLOCK / 8; i++) {
			if (block[i] != block[0])
				found[slot] = ~0ull;
		}
		if (found[slot] > last)
			last = found[slot];
	}
	for (uint64_t n = last; last != ~0ull && n > 0 && last - n < SLOTS; n--) {
		if (found[n % SLOTS] == n)
			continue;
		printf("%s: has %llu, and %llu in the place of %llu\n", target->path,
		       (unsigned long long)last, (unsigned long long)found[n % SLOTS],
		       (unsigned long long)n);
		*wrong = 1;
	}
	free(block);
	return last;
}

static int check(const struct target *targets, int nr)
{
	uint64_t first = 0, before = 0;
	int wrong = 0;

	for (int i = 0; i < nr; i++) {
		uint64_t last = last_number(&targets[i], &wrong);

		printf("%s%llu", i ? " " : "", (unsigned long long)last);
		if (!i)
			first = before = last;
		if (last > before || last + 1 < first) {
			printf(" (after %llu)", (unsigned long long)before);
			wrong = 1;
		}
		before = last;
	}
	printf("\n");
	return wrong;
}

int main(int argc, char **argv)
{
	struct target targets[TARGETS_MAX];
	int nr = argc - 2, checks = argc > 2 && !strcmp(argv[1], "check");

	if (nr < 1 || nr > TARGETS_MAX) {
		fprintf(stderr, "usage: pairs make|write|check TARGET...\n");
		return 2;
	}
	for (int i = 0; i < nr; i++) {
		if (!strcmp(argv[1], "make"))
			make(argv[2 + i]);
		else
			open_target(&targets[i], argv[2 + i],
				    checks ? O_RDONLY | O_DIRECT : O_WRONLY | O_DIRECT | O_DSYNC);
	}
	if (checks)
		return check(targets, nr);
	if (!strcmp(argv[1], "write"))
		write_for_ever(targets, nr);
	return 0;
}
