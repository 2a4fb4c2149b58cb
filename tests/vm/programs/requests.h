/* SPDX-License-Identifier: GPL-2.0-only */
/* The requests of the control node and their arguments (docs/ABI.md, B.2 and B.3). */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdint.h>

#define SETUP 0x40289101
#define RELOAD_SNAP 0x40209102
#define RELOAD_INC 0x40209103
#define DESTROY 0x40049104
#define TO_INC 0x40049105
#define TO_SNAP 0x40189106
#define RECONFIGURE 0x40109107
#define INFO 0xA0509108
#define GET_FREE 0x80049109
#define EXPAND 0x4010910A
#define AUTO_EXPAND 0x4018910B
#define SETUP_GROUP 0xC028910C
#define TO_SNAP_GROUP 0xC028910D

struct setup {
	const char *bdev, *cow;
	unsigned long fallocated, cache;
	unsigned int minor;
};
struct reload {
	const char *bdev, *cow;
	unsigned long cache;
	unsigned int minor;
};
struct to_snap {
	const char *cow;
	unsigned long fallocated;
	unsigned int minor;
};
struct reconfigure {
	unsigned long cache;
	unsigned int minor;
};
struct expand {
	unsigned long long mib;
	unsigned int minor;
};
struct auto_expand {
	unsigned long long step, reserved;
	unsigned int minor;
};
struct group_member {
	uint64_t bdev, cow, fallocated, cache, minor;
};
struct group {
	uint64_t members, count, flags, failed, taken;
};
struct info {
	unsigned int minor;
	unsigned long state;
	int error;
	unsigned long cache_size;
	unsigned long long falloc_size, seqid;
	unsigned char uuid[16];
	char cow[4096], bdev[4096];
	unsigned long long version, nr_changed;
};

_Static_assert(sizeof(struct setup) == 40, "B3.1");
_Static_assert(sizeof(struct reload) == 32, "B3.2");
_Static_assert(sizeof(struct to_snap) == 24, "B3.3");
_Static_assert(sizeof(struct reconfigure) == 16, "B3.4");
_Static_assert(sizeof(struct expand) == 16, "B3.5");
_Static_assert(sizeof(struct auto_expand) == 24, "B3.6");
_Static_assert(sizeof(struct group_member) == 40, "B3.9");
_Static_assert(sizeof(struct group) == 40, "B3.10");
_Static_assert(sizeof(struct info) == 8272, "B3.7");

#endif
