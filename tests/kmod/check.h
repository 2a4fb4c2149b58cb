/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rounds of random operations: PROGRAM SEED ROUNDS runs run_round() that often. Each round has a
 * seed of its own, so that a failed round can be repeated alone.
 *
 * The rounds count the cases that they meet by met(); main() prints the counts.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct met_case {
	const char *name;
	unsigned long count;
	struct met_case *next;
};

static struct met_case *cases;

static inline void case_count(struct met_case *entry)
{
	if (entry->count++)
		return;
	entry->next = cases;
	cases = entry;
}

#define met(what)                                            \
	do {                                                 \
		static struct met_case this_case = { what }; \
		case_count(&this_case);                      \
	} while (0)

static uint64_t round_seed;

#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

static uint64_t random_state;

/* The state is a counter; two multiplications spread it over all bits. */
static inline uint64_t random_u64(void)
{
	uint64_t mixed = random_state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
	mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
	return mixed ^ mixed >> 32;
}

/* below() - A number from 0 on that is less than @end. */
static inline uint64_t below(uint64_t end)
{
	return random_u64() % end;
}

/* between() - A number from @first to @last. */
static inline uint64_t between(uint64_t first, uint64_t last)
{
	return first + below(last - first + 1);
}

/* one_in() - True once in @times. */
static inline bool one_in(unsigned int times)
{
	return !below(times);
}

/* The sanitizers abort too, by their options. */
static void print_seed(int signal)
{
	fprintf(stderr, "SEED=%" PRIu64 " ROUNDS=1\n", round_seed);
	_exit(1);
}

static void run_round(void);

int main(int argc, char **argv)
{
	uint64_t seed, rounds, i;
	struct met_case *entry;

	if (argc != 3)
		return 2;
	signal(SIGABRT, print_seed);
	seed = strtoull(argv[1], NULL, 10);
	rounds = strtoull(argv[2], NULL, 10);
	for (i = 0; i < rounds; i++) {
		round_seed = seed + i;
		random_state = round_seed;
		run_round();
	}
	for (entry = cases; entry; entry = entry->next)
		printf("%s: %lu\n", entry->name, entry->count);
	return 0;
}

#endif
