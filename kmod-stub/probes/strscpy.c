// SPDX-License-Identifier: GPL-2.0-only
/* The copy that always ends a string. */
#include <linux/string.h>

ssize_t probe(char *to, const char *from);
ssize_t probe(char *to, const char *from)
{
	return strscpy(to, from, 8);
}
