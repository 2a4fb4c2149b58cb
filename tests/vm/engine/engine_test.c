// SPDX-License-Identifier: GPL-2.0-only
/* Exercises engine.c alone, at load. insmod fails if a check failed; what was measured is in the log. */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "core/core_wasm.h"
#include "core/engine.h"

#define SECTORS_PER_GIB (1ULL << 21)
#define CACHE_BYTES (1 << 20)
#define STACK_PATTERN 0x5ca1ab1e5ca1ab1eUL

static DEFINE_RAW_SPINLOCK(lock);
static unsigned int nr_failures;

#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			pr_err("engine-test: line %d: not so: %s\n", __LINE__, #condition); \
			nr_failures++;                                                      \
		}                                                                           \
	} while (0)

static s64 call(struct engine *engine, enum core_export export, u64 a, u64 b)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&lock, flags);
	ret = engine_call(engine, export, a, b, 0);
	raw_spin_unlock_irqrestore(&lock, flags);
	return ret;
}

static struct engine *create(u64 nr_sectors, u64 cache_bytes, s64 expected)
{
	struct engine *engine = engine_create();
	s64 ret;

	if (IS_ERR(engine)) {
		CHECK(!IS_ERR(engine));
		return NULL;
	}
	ret = engine_call(engine, CORE_INIT, nr_sectors, cache_bytes, CORE_MODE_SNAPSHOT);
	if (ret != expected) {
		pr_err("engine-test: init returned %lld, expected %lld\n", ret, expected);
		nr_failures++;
	}
	return engine;
}

/* The bytes of stack that a call takes, found as the pattern that it overwrote. */
static __no_sanitize_address noinline unsigned long stack_use(struct engine *engine,
							      enum core_export export, u64 a, u64 b)
{
	unsigned long *top = (unsigned long *)current_stack_pointer;
	unsigned long *low = top - 768;
	unsigned long *word;
	unsigned long flags;

	local_irq_save(flags);
	for (word = low; word < top; word++)
		WRITE_ONCE(*word, STACK_PATTERN);
	engine_call(engine, export, a, b, 0);
	for (word = low; word < top && READ_ONCE(*word) == STACK_PATTERN; word++)
		;
	local_irq_restore(flags);
	return (top - word) * sizeof(*word);
}

static void measure(struct engine *engine, const char *name, enum core_export export, u64 sector,
		    u64 nr_sectors)
{
	unsigned int nr = 20000, i;
	u64 ns = ktime_get_ns();

	for (i = 0; i < nr; i++)
		call(engine, export, sector, nr_sectors);
	ns = ktime_get_ns() - ns;
	pr_info("engine-test: %s: %llu ns per call, %lu bytes of stack\n", name, div_u64(ns, nr),
		stack_use(engine, export, sector, nr_sectors));
}

static void test_calls(void)
{
	struct engine *engine = create(SECTORS_PER_GIB, CACHE_BYTES, 0);

	if (!engine)
		return;
	CHECK(call(engine, CORE_IS_COPIED, 80, 16) == 0);
	CHECK(call(engine, CORE_MARK, 80, 9) == 2);
	CHECK(call(engine, CORE_MARK, 80, 16) == 0);
	CHECK(call(engine, CORE_IS_COPIED, 80, 16) == 1);
	CHECK(call(engine, CORE_IS_COPIED, 80, 17) == 0);
	CHECK(call(engine, CORE_STAT, CORE_STAT_NR_CHANGED, 0) == 2);

	measure(engine, "stat", CORE_STAT, CORE_STAT_NR_BLOCKS, 0);
	measure(engine, "is_copied, 1 block", CORE_IS_COPIED, 80, 8);
	call(engine, CORE_MARK, 0, 2048);
	measure(engine, "is_copied, 256 blocks", CORE_IS_COPIED, 0, 2048);
	measure(engine, "mark, 8 blocks, marked", CORE_MARK, 0, 64);
	engine_destroy(engine);
}

static void *memory(struct engine *engine, u64 address, size_t len)
{
	return engine_memory(engine, CORE_STAT, address, len);
}

/* An address outside linear memory ends its core, and nothing else. */
static void test_outside(u64 address, size_t len)
{
	struct engine *engine = create(SECTORS_PER_GIB, CACHE_BYTES, 0);

	if (!engine)
		return;
	CHECK(!memory(engine, address, len));
	CHECK(call(engine, CORE_STAT, CORE_STAT_NR_BLOCKS, 0) == -ENOTRECOVERABLE);
	engine_destroy(engine);
}

static void test_memory(void)
{
	u64 sectors = SECTORS_PER_GIB;
	struct engine *engine = engine_create();
	u64 needed;

	CHECK(!IS_ERR(engine));
	if (IS_ERR(engine))
		return;
	needed = engine_call(engine, CORE_MEMORY_NEEDED, sectors, CACHE_BYTES, 0);
	CHECK(!engine_call(engine, CORE_INIT, sectors, CACHE_BYTES, CORE_MODE_SNAPSHOT));
	CHECK(memory(engine, 0, 1));
	CHECK(PAGE_ALIGNED(memory(engine, 0, 1)));
	CHECK(is_vmalloc_addr(memory(engine, 0, 1)));
	CHECK(vmalloc_to_page(memory(engine, 65536, 1)));
	CHECK(memory(engine, 0, needed));
	engine_destroy(engine);
	test_outside(0, 1ULL << 32);
	test_outside(1ULL << 32, 0);
	test_outside(U64_MAX, 2);
	test_outside(16, SIZE_MAX);
}

static void test_sizes(void)
{
	u64 ns = ktime_get_ns();

	engine_destroy(create(16 * 1024 * SECTORS_PER_GIB, CACHE_BYTES, 0));
	pr_info("engine-test: 16 TiB: created and destroyed in %llu ms\n",
		div_u64(ktime_get_ns() - ns, 1000000));
	engine_destroy(NULL);
}

/*
 * Bits in new places take memory, which does not grow under a lock: the core asks for it, is refused
 * until there is some, and goes on.
 */
static void test_room(void)
{
	const u64 stride = 32768 * COW_BLOCK_SECTORS;
	struct engine *engine = create(16 * 1024 * SECTORS_PER_GIB, CACHE_BYTES, 0);
	u64 sector = 0;
	s64 ret, bytes;

	if (!engine)
		return;
	while ((ret = call(engine, CORE_MARK, sector, 8)) == 1)
		sector += stride;
	pr_info("engine-test: %llu bits far apart before there is no room\n",
		div_u64(sector, stride));
	CHECK(ret == CORE_STATUS_ROOM);
	CHECK(call(engine, CORE_STAT, CORE_STAT_NR_CHANGED, 0) == div_u64(sector, stride));
	CHECK(call(engine, CORE_ROOM_MAKE, 0, 0) == -ENOMEM);
	bytes = call(engine, CORE_ROOM_WANTED, 0, 0);
	CHECK(bytes > (s64)engine_memory_bytes(engine));
	CHECK(!engine_prepare(engine, bytes));
	engine_let_grow(engine, bytes);
	CHECK(call(engine, CORE_ROOM_MAKE, 0, 0) == 0);
	engine_settle(engine);
	CHECK(call(engine, CORE_MARK, sector, 8) == 1);
	CHECK(call(engine, CORE_IS_COPIED, 0, 8) == 1);
	engine_destroy(engine);
}

#ifdef CORE_DEBUG_OUT_OF_BOUNDS
static void test_trap(void)
{
	struct engine *engine = create(SECTORS_PER_GIB, CACHE_BYTES, 0);
	struct engine *other = create(SECTORS_PER_GIB, CACHE_BYTES, 0);

	if (!engine || !other)
		return;
	pr_info("engine-test: a trap takes %lu bytes of stack, with its log line\n",
		stack_use(engine, (enum core_export)CORE_DEBUG_OUT_OF_BOUNDS, 0, 0));
	CHECK(call(engine, (enum core_export)CORE_DEBUG_OUT_OF_BOUNDS, 0, 0) == -ENOTRECOVERABLE);
	CHECK(call(engine, CORE_STAT, CORE_STAT_NR_BLOCKS, 0) == -ENOTRECOVERABLE);
	CHECK(memory(engine, 0, 1));
	CHECK(call(other, CORE_MARK, 0, 8) == 1);
	engine_destroy(engine);
	engine_destroy(other);
}
#else
static void test_trap(void)
{
}
#endif

static int __init engine_test_init(void)
{
	test_calls();
	test_memory();
	test_sizes();
	test_room();
	test_trap();
	pr_info("engine-test: %u failures\n", nr_failures);
	return nr_failures ? -EBADE : 0;
}

static void __exit engine_test_exit(void)
{
}

module_init(engine_test_init);
module_exit(engine_test_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test of the engine");
