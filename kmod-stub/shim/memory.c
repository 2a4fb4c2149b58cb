// SPDX-License-Identifier: GPL-2.0-only
/* Memory for wasm3: see libc.h for the layout of the large blocks. */

#include "libc.h"

#define PAGED_OFFSET (PAGE_SIZE - LIBC_HEADER_BYTES)

/* No other block looks like this: kvmalloc gives either no vmalloc address or a page aligned one. */
static bool is_paged(const void *block)
{
	return is_vmalloc_addr(block) && offset_in_page(block) == PAGED_OFFSET;
}

/* A block that is larger than what is left is refused rather than left to the OOM killer. */
static void *paged_alloc(size_t bytes)
{
	char *base;

	if ((bytes >> PAGE_SHIFT) >= si_mem_available())
		return NULL;
	base = __vmalloc(bytes + PAGED_OFFSET, GFP_KERNEL | __GFP_NOWARN);
	return base ? base + PAGED_OFFSET : NULL;
}

void libc_free(void *block)
{
	if (is_paged(block))
		vfree((char *)block - PAGED_OFFSET);
	else
		kvfree(block);
}

/* The bytes beyond the old size are not cleared: wasm3 does that. */
void *libc_realloc(void *old, size_t bytes, size_t old_bytes)
{
	void *block;

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
