/* SPDX-License-Identifier: GPL-2.0-only */
/* Interval trees, as lists that are sorted by the first number of each interval. */
#ifndef KERNEL_TREE_H
#define KERNEL_TREE_H

struct rb_node {
	struct rb_node *next;
};

struct rb_root_cached {
	struct rb_node *first;
};

#define RB_ROOT_CACHED ((struct rb_root_cached){ NULL })
#define rb_first_cached(root) ((root)->first)
#define rb_next(node) ((node)->next)
#define rb_entry(node, type, member) container_of(node, type, member)

#define INTERVAL_TREE_DEFINE(type, member, number, subtree_last, FIRST, LAST, storage, prefix)    \
	storage void prefix##_insert(type *entry, struct rb_root_cached *root)                    \
	{                                                                                         \
		struct rb_node **at = &root->first;                                               \
                                                                                                  \
		while (*at && FIRST(rb_entry(*at, type, member)) <= FIRST(entry))                 \
			at = &(*at)->next;                                                        \
		entry->member.next = *at;                                                         \
		*at = &entry->member;                                                             \
	}                                                                                         \
                                                                                                  \
	storage void prefix##_remove(type *entry, struct rb_root_cached *root)                    \
	{                                                                                         \
		struct rb_node **at = &root->first;                                               \
                                                                                                  \
		while (*at != &entry->member)                                                     \
			at = &(*at)->next;                                                        \
		*at = entry->member.next;                                                         \
	}                                                                                         \
                                                                                                  \
	static inline type *prefix##_from(struct rb_node *node, number first, number last)        \
	{                                                                                         \
		for (; node; node = node->next) {                                                 \
			type *entry = rb_entry(node, type, member);                               \
                                                                                                  \
			if (FIRST(entry) <= last && first <= LAST(entry))                         \
				return entry;                                                     \
		}                                                                                 \
		return NULL;                                                                      \
	}                                                                                         \
                                                                                                  \
	storage type *prefix##_iter_first(struct rb_root_cached *root, number first, number last) \
	{                                                                                         \
		return prefix##_from(root->first, first, last);                                   \
	}                                                                                         \
                                                                                                  \
	storage type *prefix##_iter_next(type *entry, number first, number last)                  \
	{                                                                                         \
		return prefix##_from(entry->member.next, first, last);                            \
	}

#endif
