// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for wasm3: see libc.h for the layout of the large blocks.
 *
 * When its size changes, the pages of a large block keep their content, and are mapped at another
 * address. So the part that takes memory and time can be done before the change itself.
 */

#include <linux/gfp.h>
#include <linux/sched/mm.h>
#include "libc.h"

#define PAGED_OFFSET (PAGE_SIZE - LIBC_HEADER_BYTES)

/* Some pages, one after the other at @base. */
struct mapping {
	void *base; /* NULL: none */
	struct page **pages;
	unsigned long nr_pages;
};

/*
 * struct paged - At the begin of a large block's first page.
 * @now: the pages of the block
 * @ready: what it can become at once
 * @stale: what it was before
 */
struct paged {
	struct mapping now, ready, stale;
};

static_assert(sizeof(struct paged) <= PAGED_OFFSET);

/* No other block looks like this: kvmalloc gives either no vmalloc address or a page aligned one. */
static bool is_paged(const void *block)
{
	return is_vmalloc_addr(block) && offset_in_page(block) == PAGED_OFFSET;
}

static struct paged *paged_of(void *block)
{
	return block - PAGED_OFFSET;
}

static unsigned long pages_of(size_t bytes)
{
	return PAGE_ALIGN(bytes + PAGED_OFFSET) >> PAGE_SHIFT;
}

static void unmap(struct mapping *mapping)
{
	if (mapping->base)
		vunmap(mapping->base);
	kvfree(mapping->pages);
	memset(mapping, 0, sizeof(*mapping));
}

static void free_pages_of(const struct mapping *mapping, unsigned long from)
{
	unsigned long i;

	for (i = from; i < mapping->nr_pages; i++)
		__free_page(mapping->pages[i]);
}

/*
 * Map @nr_pages pages: the first ones of @old, and new ones. More than what is left is refused
 * rather than left to the OOM killer.
 */
static int map(struct mapping *mapping, const struct mapping *old, unsigned long nr_pages, gfp_t gfp)
{
	unsigned long kept = min(nr_pages, old->nr_pages), i;

	if (nr_pages - kept >= si_mem_available())
		return -ENOMEM;
	*mapping = (struct mapping){
		.pages = kvmalloc_array(nr_pages, sizeof(*mapping->pages), GFP_KERNEL),
		.nr_pages = kept,
	};
	if (!mapping->pages)
		goto failed;
	for (i = 0; i < kept; i++)
		mapping->pages[i] = old->pages[i];
	for (; i < nr_pages; i++) {
		mapping->pages[i] = alloc_page(gfp | __GFP_NOWARN);
		if (!mapping->pages[i])
			goto failed;
		mapping->nr_pages++;
		cond_resched();
	}
	mapping->base = vmap(mapping->pages, nr_pages, VM_MAP, PAGE_KERNEL);
	if (mapping->base)
		return 0;
failed:
	free_pages_of(mapping, kept);
	unmap(mapping);
	return -ENOMEM;
}

static int prepare(struct paged *paged, size_t bytes, gfp_t gfp)
{
	if (paged->ready.base)
		return -EINVAL;
	return map(&paged->ready, &paged->now, pages_of(bytes), gfp);
}

/* Whoever is in want of memory may be waiting for a write that waits for this. */
int libc_prepare(void *block, size_t bytes)
{
	unsigned int noio = memalloc_noio_save();
	int err = is_paged(block) ?
			  prepare(paged_of(block), bytes, GFP_NOIO | __GFP_NORETRY) :
			  -EINVAL;

	memalloc_noio_restore(noio);
	return err;
}

void *libc_change(void *block)
{
	struct paged *paged = paged_of(block);

	paged->stale = paged->now;
	paged->now = paged->ready;
	paged->ready = (struct mapping){};
	return paged->now.base + PAGED_OFFSET;
}

void libc_settle(void *block)
{
	struct paged *paged = paged_of(block);

	free_pages_of(&paged->ready, paged->now.nr_pages);
	unmap(&paged->ready);
	free_pages_of(&paged->stale, paged->now.nr_pages);
	unmap(&paged->stale);
}

static void *paged_alloc(size_t bytes)
{
	struct mapping none = {}, mapping;
	struct paged *paged;

	if (map(&mapping, &none, pages_of(bytes), GFP_KERNEL))
		return NULL;
	paged = mapping.base;
	*paged = (struct paged){ .now = mapping };
	return mapping.base + PAGED_OFFSET;
}

static void *paged_realloc(void *block, size_t bytes)
{
	bool prepared = paged_of(block)->ready.nr_pages >= pages_of(bytes);

	if (!prepared && prepare(paged_of(block), bytes, GFP_KERNEL))
		return NULL;
	block = libc_change(block);
	if (!prepared)
		libc_settle(block);
	return block;
}

static void paged_free(void *block)
{
	struct mapping last;

	libc_settle(block);
	last = paged_of(block)->now;
	free_pages_of(&last, 0);
	unmap(&last);
}

void libc_free(void *block)
{
	if (is_paged(block))
		paged_free(block);
	else
		kvfree(block);
}

/* The bytes beyond the old size are not cleared: wasm3 does that. */
void *libc_realloc(void *old, size_t bytes, size_t old_bytes)
{
	void *block;

	if (old && is_paged(old))
		return paged_realloc(old, bytes);
	if (bytes >= LIBC_PAGED_BYTES)
		block = paged_alloc(bytes);
	else
		block = kvmalloc(bytes, GFP_KERNEL);
	if (!block)
		return NULL;
	if (old) {
		memcpy(block, old, min(bytes, old_bytes));
		libc_free(old);
	}
	return block;
}
