// SPDX-License-Identifier: Apache-2.0
/* The command line of chunkview. The tools start it; it is of little use by hand. */
#include "chunkview.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: chunkview --times FILE --facts TEXT DEVICE MOUNTPOINT\n"
	"       chunkview --join --bytes BYTES --chunk-bytes BYTES FOLDER MOUNTPOINT\n"
	"\n"
	"The first shows a volume as a folder of chunks, the second such a folder as the file 'volume'.\n"
	"Both print 'ready' once mounted, and end with standard input, unless something is read from it.\n";

static const struct option options[] = {
	{ "times", required_argument, NULL, 't' },
	{ "facts", required_argument, NULL, 'f' },
	{ "join", no_argument, NULL, 'j' },
	{ "bytes", required_argument, NULL, 'b' },
	{ "chunk-bytes", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

bool fail(const char *what, const char *subject, const char *reason)
{
	fprintf(stderr, "chunkview: cannot %s %s: %s\n", what, subject, reason);
	return false;
}

bool make_geometry(struct geometry *geometry, uint64_t volume_bytes, uint64_t chunk_bytes)
{
	if (volume_bytes == 0 || volume_bytes > INT64_MAX || chunk_bytes == 0 ||
	    chunk_bytes > UINT32_MAX)
		return false;
	geometry->volume_bytes = volume_bytes;
	geometry->chunk_bytes = chunk_bytes;
	geometry->nr_chunks = (volume_bytes - 1) / chunk_bytes + 1;
	return geometry->nr_chunks <= CHUNKS_MAX;
}

uint64_t bytes_of_chunk(const struct geometry *geometry, uint64_t chunk)
{
	uint64_t left = geometry->volume_bytes - chunk * geometry->chunk_bytes;

	return left < geometry->chunk_bytes ? left : geometry->chunk_bytes;
}

/* A number of digits only; 0 if it is none. */
static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	if (!text || strspn(text, "0123456789") != strlen(text))
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno ? 0 : value;
}

int main(int argc, char **argv)
{
	const char *times = NULL, *facts = NULL, *bytes = NULL, *chunk_bytes = NULL;
	struct filesystem filesystem;
	struct geometry geometry;
	bool join = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			times = optarg;
			break;
		case 'f':
			facts = optarg;
			break;
		case 'j':
			join = true;
			break;
		case 'b':
			bytes = optarg;
			break;
		case 'c':
			chunk_bytes = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 2 ||
	    (join ? times || facts : !times || !facts || bytes || chunk_bytes)) {
		fputs(usage, stderr);
		return 2;
	}
	if (join && !make_geometry(&geometry, number(bytes), number(chunk_bytes))) {
		fail("join", argv[optind],
		     "no such sizes, expected --bytes and --chunk-bytes above 0");
		return 2;
	}
	if (join ? !open_join(&filesystem, argv[optind], &geometry) :
		   !open_view(&filesystem, argv[optind], times, facts))
		return EXIT_FAILURE;
	return serve(&filesystem, argv[optind + 1]);
}
