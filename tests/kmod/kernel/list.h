/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists. An entry that was deleted belongs to none, and ends the program if it is used. */
#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

static inline bool list_empty(const struct list_head *list)
{
	return list->next == list;
}

static inline void list_insert(struct list_head *entry, struct list_head *before,
			       struct list_head *behind)
{
	before->next = entry;
	behind->prev = entry;
	entry->prev = before;
	entry->next = behind;
}

#define list_add(entry, list) list_insert(entry, list, (list)->next)
#define list_add_tail(entry, list) list_insert(entry, (list)->prev, list)

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->next = NULL;
	entry->prev = NULL;
}

static inline void list_del_init(struct list_head *entry)
{
	list_del(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_move(struct list_head *entry, struct list_head *list)
{
	list_del(entry);
	list_add(entry, list);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *list)
{
	list_del(entry);
	list_add_tail(entry, list);
}

static inline void list_splice_tail_init(struct list_head *from, struct list_head *list)
{
	struct list_head *entry;

	while (!list_empty(from)) {
		entry = from->next;
		list_move_tail(entry, list);
	}
}

#define list_splice_init(from, list)                                          \
	do {                                                                  \
		expect(list_empty(list), "a list that is not empty is lost"); \
		list_splice_tail_init(from, list);                            \
	} while (0)

#define LIST_HEAD(list) struct list_head list = { &(list), &(list) }

#define list_first_entry(list, type, member) container_of((list)->next, type, member)
#define list_first_entry_or_null(list, type, member) \
	(list_empty(list) ? NULL : list_first_entry(list, type, member))

#define list_entry_of(node, entry, member) container_of(node, __typeof__(*(entry)), member)

#define list_for_each_entry(entry, list, member)                                               \
	for ((entry) = list_entry_of((list)->next, entry, member); &(entry)->member != (list); \
	     (entry) = list_entry_of((entry)->member.next, entry, member))

#define list_for_each_entry_safe(entry, following, list, member)              \
	for ((entry) = list_entry_of((list)->next, entry, member),            \
	    (following) = list_entry_of((entry)->member.next, entry, member); \
	     &(entry)->member != (list); (entry) = (following),               \
	    (following) = list_entry_of((following)->member.next, entry, member))

#endif
