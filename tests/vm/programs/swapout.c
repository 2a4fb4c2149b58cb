// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has memory of its own written to swap and read back:
 *
 *	swapout MIB
 *
 * Ends with 1 if less than half of it went to swap, or if it came back with other content.
 */
#include "blocks.h"
#include <sys/mman.h>

static unsigned long swapped_kib(void)
{
	unsigned long kib = 0;
	char line[200];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmSwap: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

int main(int argc, char **argv)
{
	size_t bytes = (size_t)(argc == 2 ? atoi(argv[1]) : 0) * MIB, i;
	uint64_t *words =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long kib;

	if (bytes == 0 || words == MAP_FAILED) {
		fprintf(stderr, "usage: swapout MIB\n");
		return 2;
	}
	for (i = 0; i < bytes / 8; i++)
		words[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
	if (madvise(words, bytes, MADV_PAGEOUT))
		give_up("cannot page out", "memory");
	kib = swapped_kib();
	printf("%lu KiB in swap\n", kib);
	if (kib < bytes / 2048)
		return 1;
	for (i = 0; i < bytes / 8; i++)
		if (words[i] != (i + 1) * 0x9e3779b97f4a7c15ull) {
			fprintf(stderr, "word %zu came back wrong\n", i);
			return 1;
		}
	return 0;
}
