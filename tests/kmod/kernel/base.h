/* SPDX-License-Identifier: GPL-2.0-only */
/* Types, arithmetic, lists. */
#ifndef KERNEL_BASE_H
#define KERNEL_BASE_H

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef u64 sector_t;
typedef unsigned int gfp_t;

#define U32_MAX UINT32_MAX
#define U64_MAX (~0ULL)
#define S64_MAX LLONG_MAX
#define SZ_64K 0x10000

#define __user
#define __maybe_unused __attribute__((unused))
#define noinline __attribute__((noinline))
#define likely(condition) (condition)
#define unlikely(condition) (condition)
#define barrier() ((void)0)
#define static_assert(condition) _Static_assert(condition, #condition)
#define READ_ONCE(value) (value)
#define WRITE_ONCE(place, value) ((place) = (value))
#define smp_load_acquire(place) (*(place))
#define smp_store_release(place, value) (*(place) = (value))

#define cpu_to_le64(value) (value)
#define le64_to_cpu(value) (value)
#define le32_to_cpu(value) (value)

#define SECTOR_SIZE 512
#ifndef PAGE_SIZE
#define PAGE_SIZE 4096UL
#endif

#define min(a, b)                                \
	({                                       \
		__auto_type left_ = (a);         \
		__auto_type right_ = (b);        \
		left_ < right_ ? left_ : right_; \
	})
#define max(a, b)                                \
	({                                       \
		__auto_type left_ = (a);         \
		__auto_type right_ = (b);        \
		left_ > right_ ? left_ : right_; \
	})
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define swap(a, b)                       \
	do {                             \
		__auto_type kept_ = (a); \
		(a) = (b);               \
		(b) = kept_;             \
	} while (0)

#define IS_ALIGNED(value, unit) ((value) % (unit) == 0)
#define round_down(value, unit) ((value) / (unit) * (unit))
#define round_up(value, unit) round_down((value) + (unit)-1, unit)
#define DIV_ROUND_UP(value, unit) (((value) + (unit)-1) / (unit))
#define DIV_ROUND_UP_ULL(value, unit) DIV_ROUND_UP((u64)(value), unit)
#define PAGE_ALIGN(value) round_up(value, PAGE_SIZE)
#define offset_in_page(address) ((unsigned long)(address) % PAGE_SIZE)
#define ilog2(value) (63 - __builtin_clzll(value))
#define struct_size(of, member, count) (sizeof(*(of)) + sizeof((of)->member[0]) * (count))

#define BITS_PER_LONG 64
#define DECLARE_BITMAP(name, bits) unsigned long name[DIV_ROUND_UP(bits, BITS_PER_LONG)]

static inline bool test_bit(unsigned long bit, const unsigned long *bits)
{
	return bits[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned long bit, unsigned long *bits)
{
	bits[bit / BITS_PER_LONG] |= 1UL << bit % BITS_PER_LONG;
}

static inline void __clear_bit(unsigned long bit, unsigned long *bits)
{
	bits[bit / BITS_PER_LONG] &= ~(1UL << bit % BITS_PER_LONG);
}

static inline unsigned long find_next_zero_bit(const unsigned long *bits, unsigned long size,
					       unsigned long bit)
{
	while (bit < size && test_bit(bit, bits))
		bit++;
	return bit < size ? bit : size;
}

#define find_first_zero_bit(bits, size) find_next_zero_bit(bits, size, 0)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *pointer)
{
	return (long)pointer;
}

static inline bool IS_ERR(const void *pointer)
{
	return PTR_ERR(pointer) < 0 && PTR_ERR(pointer) > -4096;
}

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline void sort(void *base, size_t count, size_t size,
			int (*compare)(const void *, const void *), void *swapper)
{
	qsort(base, count, size, compare);
}

#endif
