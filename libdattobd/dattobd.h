/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interface of the dattobd driver: the ioctls of its control node, and the header of a COW file.
 *
 * Generated from host/layout.ts by "npm run layout". Do not edit.
 */
#ifndef DATTOBD_H
#define DATTOBD_H

#include <linux/ioctl.h>
#include <stdint.h>

/* Version of the interface */
#define DATTOBD_VERSION				"0.12.1"

/* The COW file; all integers in it are little-endian */
#define COW_UUID_SIZE				16
#define COW_BLOCK_LOG_SIZE			12
#define COW_BLOCK_SIZE				(1 << COW_BLOCK_LOG_SIZE)
#define COW_HEADER_SIZE				4096
#define COW_MAGIC				((uint32_t)4776)

/* Flags, as numbers of their bits */
#define COW_CLEAN				0	/* closed cleanly: header and index on disk are complete */
#define COW_INDEX_ONLY				1	/* incremental: no data area, an entry says changed or not */
#define COW_VMALLOC_UPPER			2	/* left by other writers, of no meaning */

/* Versions of the header: without and with nr_changed_blocks */
#define COW_VERSION_0				0
#define COW_VERSION_CHANGED_BLOCKS		1

struct cow_header {
	uint32_t magic;				/* COW_MAGIC */
	uint32_t flags;				/* its flags, one bit each */
	uint64_t fpos;				/* next free position, in blocks */
	uint64_t fsize;				/* size limit of the file, in bytes */
	uint64_t seqid;				/* number of the snapshot in its series, from 1 */
	uint8_t uuid[COW_UUID_SIZE];		/* id of the series */
	uint64_t version;			/* version of the header */
	uint64_t nr_changed_blocks;		/* blocks changed, in blocks */
};

/* The control node */
#define DATTO_IOCTL_MAGIC			0x91
#define DATTOBD_GROUP_MAX			32

/* What the state of struct dattobd_info says */
enum dattobd_state {
	DATTOBD_STATE_DORMANT_INCREMENTAL = 0,
	DATTOBD_STATE_DORMANT_SNAPSHOT = 1,
	DATTOBD_STATE_ACTIVE_INCREMENTAL = 2,
	DATTOBD_STATE_ACTIVE_SNAPSHOT = 3,
	DATTOBD_STATE_UNVERIFIED_INCREMENTAL = 4,
	DATTOBD_STATE_UNVERIFIED_SNAPSHOT = 5,
};

/* Arguments of the ioctls */

struct setup_params {
	char *bdev;				/* path of the origin */
	char *cow;				/* path of the COW file */
	unsigned long fallocated_space;		/* MiB, 0 for the default */
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

struct reload_params {
	char *bdev;				/* path of the origin */
	char *cow;				/* from the root of the filesystem */
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

struct transition_snap_params {
	char *cow;				/* path of the new COW file */
	unsigned long fallocated_space;		/* MiB, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

struct reconfigure_params {
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

struct expand_cow_file_params {
	uint64_t size;				/* MiB to add */
	unsigned int minor;			/* minor of the device */
};

struct reconfigure_auto_expand_params {
	uint64_t step_size;			/* MiB per step, 0 for off */
	uint64_t reserved_space;		/* MiB to leave free */
	unsigned int minor;			/* minor of the device */
};

struct snapshot_group_member {
	uint64_t bdev;				/* path of the origin, of a set-up only */
	uint64_t cow;				/* path of the new COW file */
	uint64_t fallocated_space;		/* MiB, 0 for the default */
	uint64_t cache_size;			/* bytes, of a set-up only */
	uint64_t minor;				/* minor of the device */
};

struct snapshot_group_params {
	uint64_t members;			/* struct snapshot_group_member [] */
	uint64_t count;				/* of members, from 1 on */
	uint64_t flags;				/* 0 */
	uint64_t failed;			/* out: index of a member, or count */
	uint64_t taken;				/* out: 1 if there was a snapshot of all */
};

struct dattobd_info {
	unsigned int minor;			/* in: minor of the device */
	unsigned long state;			/* enum dattobd_state */
	int error;				/* 0 or a negative errno */
	unsigned long cache_size;		/* bytes */
	unsigned long long falloc_size;		/* size limit of the file, bytes */
	unsigned long long seqid;		/* number in the series */
	char uuid[COW_UUID_SIZE];		/* id of the series */
	char cow[4096];				/* as cow_file in /proc */
	char bdev[4096];			/* as block_device */
	unsigned long long version;		/* version of the header */
	unsigned long long nr_changed_blocks;	/* blocks */
};

#define IOCTL_SETUP_SNAP \
	_IOW(DATTO_IOCTL_MAGIC, 1, struct setup_params)
#define IOCTL_RELOAD_SNAP \
	_IOW(DATTO_IOCTL_MAGIC, 2, struct reload_params)
#define IOCTL_RELOAD_INC \
	_IOW(DATTO_IOCTL_MAGIC, 3, struct reload_params)
#define IOCTL_DESTROY \
	_IOW(DATTO_IOCTL_MAGIC, 4, unsigned int)
#define IOCTL_TRANSITION_INC \
	_IOW(DATTO_IOCTL_MAGIC, 5, unsigned int)
#define IOCTL_TRANSITION_SNAP \
	_IOW(DATTO_IOCTL_MAGIC, 6, struct transition_snap_params)
#define IOCTL_RECONFIGURE \
	_IOW(DATTO_IOCTL_MAGIC, 7, struct reconfigure_params)
#define IOCTL_DATTOBD_INFO \
	_IOR(DATTO_IOCTL_MAGIC, 8, struct dattobd_info)
#define IOCTL_GET_FREE \
	_IOR(DATTO_IOCTL_MAGIC, 9, int)
#define IOCTL_EXPAND_COW_FILE \
	_IOW(DATTO_IOCTL_MAGIC, 10, struct expand_cow_file_params)
#define IOCTL_RECONFIGURE_AUTO_EXPAND \
	_IOW(DATTO_IOCTL_MAGIC, 11, struct reconfigure_auto_expand_params)
#define IOCTL_SETUP_SNAP_GROUP \
	_IOWR(DATTO_IOCTL_MAGIC, 12, struct snapshot_group_params)
#define IOCTL_TRANSITION_SNAP_GROUP \
	_IOWR(DATTO_IOCTL_MAGIC, 13, struct snapshot_group_params)

#endif /* DATTOBD_H */
