/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The C library that wasm3 expects, in terms of the kernel.
 *
 * Forced in front of every wasm3 source (-include), so that no kernel header is read after wasm3 has defined its
 * macros `not`, `and`, `or`. The standard header names beside this file only lead here.
 *
 * Memory is kvmalloc memory, except for blocks of LIBC_PAGED_BYTES and more that come from realloc(): wasm3 gets linear
 * memory that way, behind a header of LIBC_HEADER_BYTES. Such a block is made of single pages, mapped one after the other;
 * what follows the header is page aligned:
 *
 *	vmap address          + PAGE_SIZE - 24     + PAGE_SIZE
 *	| struct paged ...... | header (24 bytes)  | wasm address 0 ...
 *	                      ^ what realloc() returns
 */
#ifndef SHIM_LIBC_H
#define SHIM_LIBC_H

#include <linux/kernel.h>
#include <linux/types.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define LIBC_PAGED_BYTES 65536
#define LIBC_HEADER_BYTES 24	/* sizeof(M3MemoryHeader), asserted in core/engine.c */

/* Defined in memory.c. All may sleep. */
void *libc_realloc(void *old, size_t bytes, size_t old_bytes);
void libc_free(void *block);

/*
 * Make a change of a large block's size ready: libc_change() then makes it at once, or the next realloc() to no more
 * bytes. libc_settle() gives back what the change left over, or what was made ready and is not wanted. Beside all this
 * the block may be used.
 */
int libc_prepare(void *block, size_t bytes);
void *libc_change(void *block); /* does not sleep; returns where the block is now */
void libc_settle(void *block);

#define calloc(n, bytes) kvzalloc(array_size(n, bytes), GFP_KERNEL)
#define free(block) libc_free(block)
/* The only caller, m3_Realloc_Impl(), has the old size at hand under this name; the kernel's realloc changed its shape. */
#define realloc(block, bytes) libc_realloc(block, bytes, i_oldSize)

#define abort() BUG()
#define assert(condition) ((void)(condition))
#define strtoul(text, end, base) simple_strtoul(text, end, base)
#define strtoull(text, end, base) simple_strtoull(text, end, base)

struct libc_stream;
#define stderr ((struct libc_stream *)NULL)
#define printf(...) no_printk(__VA_ARGS__)
#define fprintf(stream, ...) no_printk(__VA_ARGS__)

#define __builtin_popcount(word) hweight32(word)
#define __builtin_popcountll(word) hweight64(word)

/* The kernel's contain casts, and wasm3 uses these in #if. */
#undef INT_MAX
#undef INT_MIN
#undef LONG_MAX
#undef LONG_MIN
#define CHAR_BIT 8
#define INT_MAX 0x7fffffff
#define INT_MIN (-INT_MAX - 1)
#define LONG_MAX 0x7fffffffffffffffL
#define LONG_MIN (-LONG_MAX - 1)

/* Of <stdint.h>. The kernel has some of them, with casts. */
#undef INT32_MIN
#undef INT64_MIN
#undef UINT32_MAX
#define INT32_MIN INT_MIN
#define INT64_MIN LONG_MIN
#define UINT32_MAX 0xffffffffU

#define PRIu32 "u"
#define PRIi32 "d"
#define PRIu64 "llu"
#define PRIi64 "lld"
#define PRIx64 "llx"

#endif
