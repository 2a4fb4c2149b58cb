// SPDX-License-Identifier: Apache-2.0
/*
 * The two commands of dbdctl that an initramfs needs, without Node:
 *
 *	dbdctl reload-snapshot|reload-incremental [-c CACHE_BYTES] BLOCK_DEVICE COW_FILE MINOR
 *
 * CACHE_BYTES may be followed by K, M, G or T, for KiB to TiB, as in the dbdctl of the system.
 *
 * Says nothing and ends with 0 if the driver did it; else says why and ends with 255.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "libdattobd.h"

enum { FAILURE = 255 };

static int usage(void)
{
	fprintf(stderr,
		"usage: dbdctl reload-snapshot|reload-incremental [-c cache bytes] <block device> <cow file> <minor>\n");
	return FAILURE;
}

/* Decimal digits only, up to a bound. Returns 0 if the text is anything else. */
static int number(const char *text, unsigned long max, unsigned long *value)
{
	const char *digit;

	for (digit = text; isdigit((unsigned char)*digit); digit++)
		;
	if (digit == text || *digit)
		return 0;
	errno = 0;
	*value = strtoul(text, NULL, 10);
	return !errno && *value <= max;
}

/* Digits, and perhaps K, M, G, T or KiB, MiB, GiB, TiB after them. Returns 0 if the text is anything else. */
static int size(const char *text, unsigned long max, unsigned long *value)
{
	static const char letters[] = "KMGT";
	size_t length = strspn(text, "0123456789");
	const char *letter = text[length] ? strchr(letters, text[length]) : NULL;
	char digits[32];
	unsigned int shift;

	if (!letter)
		return number(text, max, value);
	if (length >= sizeof(digits) || (text[length + 1] && strcmp(text + length + 1, "iB")))
		return 0;
	memcpy(digits, text, length);
	digits[length] = 0;
	shift = 10 * (letter - letters + 1);
	if (!number(digits, max >> shift, value))
		return 0;
	*value <<= shift;
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long cache = 0, minor;
	int option, result;
	int (*reload)(unsigned int, char *, char *, unsigned long);

	if (argc < 2)
		return usage();
	if (!strcmp(argv[1], "reload-snapshot"))
		reload = dattobd_reload_snapshot;
	else if (!strcmp(argv[1], "reload-incremental"))
		reload = dattobd_reload_incremental;
	else
		return usage();
	argc--;
	argv++;
	while ((option = getopt(argc, argv, "c:")) != -1) {
		if (option != 'c' || !size(optarg, LONG_MAX, &cache))
			return usage();
	}
	if (argc - optind != 3 || !number(argv[optind + 2], UINT_MAX, &minor))
		return usage();
	result = reload((unsigned int)minor, argv[optind], argv[optind + 1], cache);
	if (!result)
		return 0;
	fprintf(stderr, "dbdctl: %s of %s failed, dmesg may say more: %s\n", argv[0], argv[optind],
		strerror(errno));
	return FAILURE;
}
