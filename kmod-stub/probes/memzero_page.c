// SPDX-License-Identifier: GPL-2.0-only
/* From 5.13 on. */
#include <linux/highmem.h>

void probe(struct page *page);
void probe(struct page *page)
{
	memzero_page(page, 0, 1);
}
