// SPDX-License-Identifier: GPL-2.0-only
/* From 6.6 on iomap keeps track of the dirty blocks of a folio. */
#include <linux/iomap.h>

struct folio;

bool probe(struct address_space *mapping, struct folio *folio);
bool probe(struct address_space *mapping, struct folio *folio)
{
	return iomap_dirty_folio(mapping, folio);
}
