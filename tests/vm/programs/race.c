// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a snapshot while the very blocks being read are overwritten on its origin:
 *
 *	race SNAPSHOT REFERENCE FILE
 *
 * FILE lies on the origin. For each MiB of the origin that holds blocks of FILE, one thread reads that MiB of SNAPSHOT in
 * one O_DIRECT read, while 8 threads overwrite FILE's blocks inside it, each once, with O_DIRECT writes of 4 KiB. All
 * start at the same moment. What was read must equal REFERENCE. Prints the blocks read, overwritten and wrong; ends with 1
 * if any was wrong.
 */
#include "blocks.h"
#include <pthread.h>

enum { NR_WRITERS = 8 };

/* Blocks of FILE inside the MiB in work. */
static uint64_t targets[MIB_BLOCKS];
static unsigned int nr_targets;
static int finished;
static pthread_barrier_t start, end;
static const char *file_path;
static uint64_t *file_block; /* by block of the origin: block of FILE + 1, or 0 */
static uint64_t nr_blocks;

static void note(uint64_t block, uint64_t at, void *arg)
{
	(void)arg;
	if (block < nr_blocks)
		file_block[block] = at + 1;
}

static void *writer(void *arg)
{
	int fd = open_or_give_up(file_path, O_WRONLY | O_DIRECT);
	unsigned int me = (uintptr_t)arg;
	char *block = pages(BLOCK);

	memset(block, 0xee, BLOCK);
	for (;;) {
		pthread_barrier_wait(&start);
		if (finished)
			break;
		for (unsigned int i = me; i < nr_targets; i += NR_WRITERS)
			if (pwrite(fd, block, BLOCK, targets[i] * BLOCK) != BLOCK)
				give_up("cannot write", file_path);
		pthread_barrier_wait(&end);
	}
	close(fd);
	return NULL;
}

static void choose_targets(uint64_t first, unsigned int count)
{
	nr_targets = 0;
	for (unsigned int i = 0; i < count; i++)
		if (file_block[first + i])
			targets[nr_targets++] = file_block[first + i] - 1;
	for (unsigned int i = nr_targets; i > 1; i--) {
		unsigned int other = rand() % i;
		uint64_t t = targets[other];

		targets[other] = targets[i - 1];
		targets[i - 1] = t;
	}
}

static unsigned int wrong_blocks(const char *got, const char *wanted, size_t bytes, uint64_t first)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < bytes; i += BLOCK) {
		if (!memcmp(got + i, wanted + i, BLOCK))
			continue;
		if (wrong++ < 4)
			printf("wrong: block %llu%s\n", (unsigned long long)(first + i / BLOCK),
			       (unsigned char)got[i] == 0xee ? " (has the new data)" : "");
	}
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned long read_blocks = 0, overwritten = 0, wrong = 0;
	pthread_t threads[NR_WRITERS];
	char *got = pages(MIB), *wanted = pages(MIB);
	int snapshot, reference;
	uint64_t bytes;

	if (argc != 4) {
		fprintf(stderr, "usage: race SNAPSHOT REFERENCE FILE\n");
		return 2;
	}
	snapshot = open_or_give_up(argv[1], O_RDONLY | O_DIRECT);
	reference = open_or_give_up(argv[2], O_RDONLY);
	file_path = argv[3];
	bytes = size_of(snapshot, argv[1]);
	nr_blocks = bytes / BLOCK;
	file_block = calloc(nr_blocks, sizeof(*file_block));
	each_unit(file_path, BLOCK, note, NULL);
	srand(getpid());
	pthread_barrier_init(&start, NULL, NR_WRITERS + 1);
	pthread_barrier_init(&end, NULL, NR_WRITERS + 1);
	for (uintptr_t i = 0; i < NR_WRITERS; i++)
		pthread_create(&threads[i], NULL, writer, (void *)i);
	for (uint64_t at = 0; at < bytes; at += MIB) {
		size_t n = bytes - at < MIB ? bytes - at : MIB;

		choose_targets(at / BLOCK, n / BLOCK);
		read_all(reference, argv[2], wanted, n, at);
		pthread_barrier_wait(&start);
		read_all(snapshot, argv[1], got, n, at);
		pthread_barrier_wait(&end);
		wrong += wrong_blocks(got, wanted, n, at / BLOCK);
		read_blocks += n / BLOCK;
		overwritten += nr_targets;
	}
	finished = 1;
	pthread_barrier_wait(&start);
	for (int i = 0; i < NR_WRITERS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu blocks read, %lu overwritten meanwhile, %lu wrong\n", read_blocks, overwritten,
	       wrong);
	if (overwritten == 0) {
		fprintf(stderr,
			"no block was overwritten: FILE does not lie on the origin of SNAPSHOT\n");
		return 2;
	}
	return wrong != 0;
}
