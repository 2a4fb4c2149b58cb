/* SPDX-License-Identifier: GPL-2.0-only */
/* What fake-kernel.c writes down of the ioctls of the driver, for those who look at them afterwards. */
#ifndef FAKE_LOG_H
#define FAKE_LOG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* The members of a group: paths (- for NULL), sizes, minor. */
static void record_group(FILE *log, const unsigned char *bytes)
{
	const uint64_t *params = (const uint64_t *)bytes;
	const uint64_t *member = (const uint64_t *)(uintptr_t)params[0];

	fprintf(log, " flags %llu", (unsigned long long)params[2]);
	for (uint64_t i = 0; i < params[1]; i++, member += 5) {
		const char *bdev = (const char *)(uintptr_t)member[0];

		fprintf(log, " | %s %s", bdev ? bdev : "-", (const char *)(uintptr_t)member[1]);
		for (int at = 2; at < 5; at++)
			fprintf(log, " %llu", (unsigned long long)member[at]);
	}
	fprintf(log, "\n");
	fclose(log);
}

static void record(unsigned long request, const unsigned char *bytes)
{
	unsigned int size = (request >> 16) & 0x3fff;
	unsigned int nr = request & 0xff;
	/* Where a command's argument points to strings */
	unsigned int nr_strings = nr >= 1 && nr <= 3 ? 2 : nr == 6;
	FILE *log = getenv("FAKE_LOG") ? fopen(getenv("FAKE_LOG"), "a") : NULL;

	if (!log)
		return;
	fprintf(log, "%u", nr);
	if (nr == 12 || nr == 13) {
		record_group(log, bytes);
		return;
	}
	for (unsigned int i = 0; i < nr_strings; i++)
		fprintf(log, " %s", *(char *const *)(bytes + 8 * i));
	for (unsigned int at = 8 * nr_strings; at < size && nr != 8; at += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + at, size - at < 8 ? size - at : 8);
		fprintf(log, " %llu", (unsigned long long)word);
	}
	fprintf(log, "\n");
	fclose(log);
}

static void record_raw(unsigned long request, const unsigned char *bytes)
{
	FILE *log = getenv("FAKE_RAW_LOG") ? fopen(getenv("FAKE_RAW_LOG"), "a") : NULL;

	if (!log)
		return;
	fprintf(log, "%lx ", request);
	for (unsigned int i = 0; i < ((request >> 16) & 0x3fff); i++)
		fprintf(log, "%02x", bytes[i]);
	fprintf(log, "\n");
	fclose(log);
}

#endif
