// SPDX-License-Identifier: GPL-2.0-only
/* From 5.17 to 6.11 one bit says that a file's page cache may hold large folios. */
#include <linux/pagemap.h>

void probe(struct address_space *mapping);
void probe(struct address_space *mapping)
{
	clear_bit(AS_LARGE_FOLIO_SUPPORT, &mapping->flags);
}
