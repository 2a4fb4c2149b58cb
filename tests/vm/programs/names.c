// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes folders full of empty files with long names, each of which is little to write and much to log:
 *
 *	names FOLDER FOLDERS FILES WORD	makes FOLDERS folders below FOLDER, d.1 and so on, of FILES files each; after every eighth
 *					all is written to the disk
 *
 * WORD is part of the names. Ends with 1 on any error.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void give_up(const char *what, const char *name)
{
	fprintf(stderr, "cannot %s ", what);
	perror(name);
	exit(1);
}

static void make_file(const char *folder, const char *word, long n)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/a-name-that-takes-some-room-%s-%ld", folder, word, n);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	if (fd < 0)
		give_up("make", path);
	close(fd);
}

static void sync_all(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || syncfs(fd))
		give_up("write the filesystem of", folder);
	close(fd);
}

int main(int argc, char **argv)
{
	char folder[2048];

	if (argc != 5) {
		fprintf(stderr, "usage: names FOLDER FOLDERS FILES WORD\n");
		return 1;
	}
	for (long n = 1; n <= atol(argv[2]); n++) {
		snprintf(folder, sizeof(folder), "%s/d.%ld", argv[1], n);
		if (mkdir(folder, 0755))
			give_up("make", folder);
		for (long file = 1; file <= atol(argv[3]); file++)
			make_file(folder, argv[4], file);
		if (n % 8 == 0)
			sync_all(folder);
	}
	return 0;
}
