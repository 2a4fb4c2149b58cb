/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory. Allocations are counted, and fail on request. */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include <sys/mman.h>

#define GFP_KERNEL 0
#define GFP_NOIO 0
#define __GFP_NOWARN 0
#define __GFP_NORETRY 0

static long memory_live __maybe_unused; /* allocations and pages that are not freed */
static unsigned int memory_fails __maybe_unused; /* the n-th allocation from now on fails; 0: none */

static inline bool memory_fail(void)
{
	return memory_fails && !--memory_fails;
}

static inline void *memory_get(size_t bytes, int fill)
{
	void *memory = memory_fail() ? NULL : malloc(bytes);

	if (!memory)
		return NULL;
	memory_live++;
	return memset(memory, fill, bytes);
}

static inline void memory_put(const void *memory)
{
	if (memory)
		memory_live--;
	free((void *)memory);
}

#define kmalloc(bytes, gfp) memory_get(bytes, 0xa5)
#define kvmalloc(bytes, gfp) memory_get(bytes, 0xa5)
#define kvmalloc_array(count, bytes, gfp) memory_get((size_t)(count) * (bytes), 0xa5)
#define kzalloc(bytes, gfp) memory_get(bytes, 0)
#define kvzalloc(bytes, gfp) memory_get(bytes, 0)
#define kcalloc(count, bytes, gfp) memory_get((size_t)(count) * (bytes), 0)
#define kfree(memory) memory_put(memory)
#define kvfree(memory) memory_put(memory)

#define memalloc_noio_save() 0
#define memalloc_noio_restore(flags) ((void)(flags))

typedef struct {
	size_t bytes;
} mempool_t;

static inline void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	memory_live++;
	return memset(malloc(pool->bytes), 0xa5, pool->bytes);
}

static inline void mempool_free(void *memory, mempool_t *pool)
{
	memory_put(memory);
}

/* A page is its own memory. */
struct page {
	char bytes[PAGE_SIZE];
};

static bool memory_scattered __maybe_unused; /* only single pages are left */

#define page_address(page) ((void *)(page))
#define virt_to_page(address) ((struct page *)((unsigned long)(address) / PAGE_SIZE * PAGE_SIZE))
#define vmalloc_to_page(address) virt_to_page(address)
#define is_vmalloc_addr(address) ((void)(address), false)
#define split_page(page, order) ((void)(page))

static inline struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	size_t bytes = PAGE_SIZE << order, before, behind;
	char *memory;

	if ((order && memory_scattered) || memory_fail())
		return NULL;
	memory = mmap(NULL, bytes + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	expect(memory != MAP_FAILED, "no memory");
	/* Keep the part that is aligned to pages of this size. */
	before = PAGE_SIZE - offset_in_page(memory);
	behind = PAGE_SIZE - before;
	munmap(memory, before);
	if (behind)
		munmap(memory + before + bytes, behind);
	memory_live += 1L << order;
	return (struct page *)(memory + before);
}

#define alloc_page(gfp) alloc_pages(gfp, 0)

static inline void __free_page(struct page *page)
{
	munmap(page, PAGE_SIZE);
	memory_live--;
}

#define alloc_workqueue(name, flags, most, ...) \
	((struct workqueue_struct *)kzalloc(sizeof(struct workqueue_struct), GFP_KERNEL))

static inline void destroy_workqueue(struct workqueue_struct *wq)
{
	expect(!wq->queued, "work is left");
	kfree(wq);
}

#endif
