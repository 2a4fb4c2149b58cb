/* SPDX-License-Identifier: GPL-2.0-only */
/* Generated from host/layout.ts by "npm run layout". Do not edit. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <linux/build_bug.h>
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Version of the interface, as /proc and modinfo show it; not of the package. */
#define DATTOBD_VERSION				"0.12.1"

/* The COW file; sizes in bytes */
#define COW_BLOCK_SIZE				4096
#define COW_BLOCK_SECTORS			8
#define COW_HEADER_SIZE				4096
#define COW_SECTION_BYTES			32768
#define COW_UUID_SIZE				16

/* First word of a header in the log of an XFS, big-endian there */
#define XFS_LOG_MAGIC				0xFEEDBABE

/* The core: areas of linear memory, and what its exports take and answer */
#define CORE_BUFFER_BYTES			262144
#define CORE_SLICE_BLOCKS			32768
#define CORE_PLAN_BLOCKS_MAX			4096
#define CORE_PLAN_RANGES_MAX			128
#define CORE_PLAN_RUNS_MAX			128
#define CORE_READ_RUNS_MAX			32
#define CORE_PROOF_BLOCKS_MAX			28
#define CORE_RECORD_NR_SECTORS_OFFSET		80
#define CORE_NEXT_FILE_PATH_OFFSET		528
#define CORE_NEXT_FILE_PATH_BYTES		512
#define CORE_STATUS_MISS			(-4096)
#define CORE_STATUS_ROOM			(-4097)
#define CORE_STATUS_REGION			(-4098)
#define CORE_COPIED_WAITS			2
#define CORE_MAP_BLOCKS_MAX			4
#define CORE_REGION_BLOCKS_MIN			256
#define CORE_REGION_BLOCKS_MAX			16384
#define CORE_REGION_BLOCKS_DEFAULT		1024
#define CORE_MASK_CHUNK_BYTES			32768
#define CORE_MASK_CHUNK_BLOCKS			262144
#define CORE_ORIGIN_SECTORS_MAX			137438953472ULL
#define CORE_ORIGIN_MAX_TEXT			"64 TiB"

#define CORE_MODE_SNAPSHOT			0	/* old content is copied */
#define CORE_MODE_INCREMENTAL			1	/* changed blocks are noted */

#define CORE_EXPECT_SNAPSHOT			0	/* a header of snapshot mode */
#define CORE_EXPECT_INCREMENTAL			1	/* a header of incremental mode */
#define CORE_EXPECT_ANY				2	/* a header of either mode */
#define CORE_EXPECT_UNCLEAN_OK			4	/* added: CLEAN may be missing */

#define CORE_RUN_ORIGIN				0	/* read the origin at block start */
#define CORE_RUN_COW				1	/* read the COW file at position start */
#define CORE_RUN_ZERO				2	/* zeros, from block start on */

#define CORE_SECTION_READY			0	/* the section is resident */
#define CORE_SECTION_READ			1	/* read it from the file first */
#define CORE_SECTION_WRITE			2	/* write it to the file first */
#define CORE_SECTION_AGAIN			3	/* ask again, there is more to do */

enum core_proof {
	CORE_PROOF_END = 0,			/* the superblock, and where the log ends */
	CORE_PROOF_WHOLE = 1,			/* all that a record is tied to */
	CORE_PROOF_STAMPS = 2,			/* how far a mount has stamped the log */
	CORE_PROOF_TIE = 3,			/* what the live checkpoint that is being loaded is tied to */
};

enum core_refusal {
	CORE_REFUSAL_BAD_MAGIC = 1,
	CORE_REFUSAL_NOT_CLEAN = 2,		/* not cleanly closed */
	CORE_REFUSAL_WRONG_MODE = 3,
	CORE_REFUSAL_RESIZED = 4,		/* the origin was resized */
	CORE_REFUSAL_MOVED = 5,			/* the file was moved */
	CORE_REFUSAL_FOREIGN = 6,		/* the filesystem was changed elsewhere */
	CORE_REFUSAL_DAMAGED = 7,		/* damaged record */
	CORE_REFUSAL_OUTDATED = 8,		/* record of an older version */
	CORE_REFUSAL_CRASHED = 9,		/* the snapshot was lost in a crash */
	CORE_REFUSAL_CONTINUED = 10,		/* tracking went on with another file */
};

/* Initialiser of an array of const char *, by enum core_refusal */
#define CORE_REFUSAL_NAMES						\
	{								\
		[CORE_REFUSAL_BAD_MAGIC] = "bad magic",			\
		[CORE_REFUSAL_NOT_CLEAN] = "not cleanly closed",	\
		[CORE_REFUSAL_WRONG_MODE] = "wrong mode",		\
		[CORE_REFUSAL_RESIZED] = "the origin was resized",	\
		[CORE_REFUSAL_MOVED] = "the file was moved",		\
		[CORE_REFUSAL_FOREIGN] = "the filesystem was changed elsewhere",	\
		[CORE_REFUSAL_DAMAGED] = "damaged record",		\
		[CORE_REFUSAL_OUTDATED] = "record of an older version",	\
		[CORE_REFUSAL_CRASHED] = "the snapshot was lost in a crash",	\
		[CORE_REFUSAL_CONTINUED] = "tracking went on with another file",	\
	}

/* A record of the runs area; counts and places are in blocks */
struct core_run {
	__le64 start;
	__le32 count;
	__le32 kind;
};

static_assert(sizeof(struct core_run) == 16);

/* A range in the buffer, in sectors of the origin */
struct core_range {
	__le64 sector;
	__le64 nr_sectors;
};

static_assert(sizeof(struct core_range) == 16);

/* Argument of CORE_STAT */
enum core_stat {
	CORE_STAT_NR_BLOCKS = 0,		/* blocks tracked */
	CORE_STAT_NR_SECTIONS = 1,		/* sections of the index */
	CORE_STAT_DATA_OFFSET = 2,		/* bytes before the data area */
	CORE_STAT_FPOS = 3,			/* next free position, in blocks */
	CORE_STAT_FSIZE = 4,			/* size limit of the COW file, in bytes */
	CORE_STAT_SEQID = 5,			/* number of the snapshot in its series */
	CORE_STAT_VERSION = 6,			/* version of the header */
	CORE_STAT_NR_CHANGED = 7,		/* blocks changed */
	CORE_STAT_FLAGS = 8,			/* flags of the header */
	CORE_STAT_MODE = 9,			/* snapshot or incremental */
	CORE_STAT_NR_SLOTS = 10,		/* slots for index sections in use */
	CORE_STAT_NR_RESIDENT = 11,		/* sections in memory */
	CORE_STAT_MASK_CHUNKS = 12,		/* chunks of the mask */
	CORE_STAT_NR_DIRTY = 13,		/* sections to be written */
	CORE_STAT_ROOM = 14,			/* blocks that may still be copied */
	CORE_STAT_UUID_LOW = 15,		/* bytes 0 to 7 of the uuid */
	CORE_STAT_UUID_HIGH = 16,		/* bytes 8 to 15 of the uuid */
	CORE_STAT_LOG_START = 17,		/* first sector of XFS's log, 0 if there is none */
	CORE_STAT_LOG_SECTORS = 18,		/* sectors of that log */
	CORE_STAT_LOG_LAST = 19,		/* its sector that was written last */
	CORE_STAT_LOG_CYCLE = 20,		/* the cycle in that sector */
	CORE_STAT_FINGERPRINT = 21,		/* checksum of what a mount elsewhere would change */
	CORE_STAT_MAP_BLOCKS = 22,		/* blocks of a dirty map */
	CORE_STAT_DIRTY_REGIONS = 23,		/* regions that are set in the one on disk, at most */
	CORE_STAT_REGION_BLOCKS = 24,		/* blocks of a region */
	CORE_STAT_NEW_BLOCKS = 25,		/* blocks changed since the checkpoint */
	CORE_STAT_AREA_BYTES = 26,		/* bytes that the checkpoint takes */
	CORE_STAT_LIVE = 27,			/* whether a live checkpoint is in force, or being loaded */
	CORE_STAT_WOULD_LOAD = 28,		/* whether a crash now would leave a live checkpoint that can be loaded */
	CORE_STAT_NEEDED_BYTES = 29,		/* bytes of the COW file that incremental mode needs */
	CORE_STAT_SLOTS_BYTES = 30,		/* bytes that the place of live checkpoints takes */
	CORE_STAT_HAS_SLOTS = 31,		/* whether they have one */
};

enum core_export {
	CORE_MEMORY_NEEDED,
	CORE_INIT,
	CORE_BUFFER_ADDRESS,
	CORE_RUNS_ADDRESS,
	CORE_STAT,
	CORE_HEADER_CREATE,
	CORE_HEADER_ENCODE,
	CORE_HEADER_CLOSE,
	CORE_HEADER_CHECK,
	CORE_SET_FSIZE,
	CORE_TO_INCREMENTAL,
	CORE_MARK,
	CORE_IS_COPIED,
	CORE_PLAN_COPY,
	CORE_COMMIT_COPY,
	CORE_PLAN_READ,
	CORE_ROOM_WANTED,
	CORE_ROOM_MAKE,
	CORE_MISS_SECTION,
	CORE_MEMORY_WANTED,
	CORE_SECTION_REQUEST,
	CORE_SET_CACHE,
	CORE_IO_SECTION,
	CORE_IO_OFFSET,
	CORE_IO_ADDRESS,
	CORE_SECTION_READ_DONE,
	CORE_SECTION_WRITE_DONE,
	CORE_NEXT_DIRTY_SECTION,
	CORE_MASK_EXTENT,
	CORE_MARK_UNMASKED,
	CORE_MASK_BEGIN,
	CORE_MASK_NEXT,
	CORE_MASK_EXPORT,
	CORE_MASK_IMPORT,
	CORE_CHANGED_EXPORT,
	CORE_CHANGED_IMPORT,
	CORE_NEXT_CHANGED_SECTION,
	CORE_EXPORT_SECTION,
	CORE_CHANGED_RUNS,
	CORE_SCAN_INDEX,
	CORE_PROOF_BEGIN,
	CORE_PROOF_NEXT,
	CORE_PROOF_BLOCK,
	CORE_RECORD_BEGIN,
	CORE_RECORD_EXTENT,
	CORE_RECORD_SURVEY,
	CORE_RECORD_PLAN,
	CORE_RECORD_NEXT,
	CORE_RECORD_OFFSET,
	CORE_RECORD_EXPORT,
	CORE_RECORD_ENCODE,
	CORE_RECORD_CHECK,
	CORE_RECORD_IMPORT,
	CORE_RECORD_ACCEPT,
	CORE_REGIONS_SET,
	CORE_REGIONS_KEEP,
	CORE_MAP_NEXT,
	CORE_MAP_OFFSET,
	CORE_MAP_EXPORT,
	CORE_MAP_WRITTEN,
	CORE_MAP_IMPORT,
	CORE_MAP_RECOVER,
	CORE_MAP_RECOUNT,
	CORE_LIVE_BEGIN,
	CORE_LIVE_SWITCH,
	CORE_LIVE_IDENTITY,
	CORE_LIVE_REST,
	CORE_LIVE_LOG,
	CORE_LIVE_RENEW,
	CORE_LIVE_RESUME,
	CORE_LIVE_ENCODE,
	CORE_LIVE_COMMIT,
	CORE_LIVE_DROP,
	CORE_LIVE_VOID,
	CORE_SLOTS_TAKE,
	CORE_LIVE_MOVE,
	CORE_LIVE_INHERIT,
	CORE_LIVE_TAKE_OVER,
	CORE_LIVE_FORMER_CLOSED,
	CORE_HEADER_FOLLOW,
	CORE_NR_EXPORTS
};

/* One X(suffix of enum core_export, name in the module, number of arguments, least result) per export */
#define CORE_EXPORTS(X)							\
	X(MEMORY_NEEDED, "memory_needed", 2, -MAX_ERRNO)		\
	X(INIT, "init", 3, -MAX_ERRNO)					\
	X(BUFFER_ADDRESS, "buffer_address", 0, -MAX_ERRNO)		\
	X(RUNS_ADDRESS, "runs_address", 0, -MAX_ERRNO)			\
	X(STAT, "stat", 1, -MAX_ERRNO)					\
	X(HEADER_CREATE, "header_create", 2, -MAX_ERRNO)		\
	X(HEADER_ENCODE, "header_encode", 1, -MAX_ERRNO)		\
	X(HEADER_CLOSE, "header_close", 1, -MAX_ERRNO)			\
	X(HEADER_CHECK, "header_check", 1, -MAX_ERRNO)			\
	X(SET_FSIZE, "set_fsize", 1, -MAX_ERRNO)			\
	X(TO_INCREMENTAL, "to_incremental", 1, -MAX_ERRNO)		\
	X(MARK, "mark", 2, CORE_STATUS_REGION)				\
	X(IS_COPIED, "is_copied", 2, -MAX_ERRNO)			\
	X(PLAN_COPY, "plan_copy", 2, -MAX_ERRNO)			\
	X(COMMIT_COPY, "commit_copy", 2, CORE_STATUS_ROOM)		\
	X(PLAN_READ, "plan_read", 2, CORE_STATUS_MISS)			\
	X(ROOM_WANTED, "room_wanted", 0, -MAX_ERRNO)			\
	X(ROOM_MAKE, "room_make", 0, -MAX_ERRNO)			\
	X(MISS_SECTION, "miss_section", 0, -MAX_ERRNO)			\
	X(MEMORY_WANTED, "memory_wanted", 0, -MAX_ERRNO)		\
	X(SECTION_REQUEST, "section_request", 1, -MAX_ERRNO)		\
	X(SET_CACHE, "set_cache", 1, -MAX_ERRNO)			\
	X(IO_SECTION, "io_section", 0, -MAX_ERRNO)			\
	X(IO_OFFSET, "io_offset", 0, -MAX_ERRNO)			\
	X(IO_ADDRESS, "io_address", 0, -MAX_ERRNO)			\
	X(SECTION_READ_DONE, "section_read_done", 1, -MAX_ERRNO)	\
	X(SECTION_WRITE_DONE, "section_write_done", 0, -MAX_ERRNO)	\
	X(NEXT_DIRTY_SECTION, "next_dirty_section", 1, -MAX_ERRNO)	\
	X(MASK_EXTENT, "mask_extent", 2, CORE_STATUS_ROOM)		\
	X(MARK_UNMASKED, "mark_unmasked", 2, CORE_STATUS_REGION)	\
	X(MASK_BEGIN, "mask_begin", 0, -MAX_ERRNO)			\
	X(MASK_NEXT, "mask_next", 1, -MAX_ERRNO)			\
	X(MASK_EXPORT, "mask_export", 1, -MAX_ERRNO)			\
	X(MASK_IMPORT, "mask_import", 1, CORE_STATUS_ROOM)		\
	X(CHANGED_EXPORT, "changed_export", 1, -MAX_ERRNO)		\
	X(CHANGED_IMPORT, "changed_import", 1, CORE_STATUS_ROOM)	\
	X(NEXT_CHANGED_SECTION, "next_changed_section", 1, -MAX_ERRNO)	\
	X(EXPORT_SECTION, "export_section", 1, CORE_STATUS_MISS)	\
	X(CHANGED_RUNS, "changed_runs", 1, -MAX_ERRNO)			\
	X(SCAN_INDEX, "scan_index", 2, -MAX_ERRNO)			\
	X(PROOF_BEGIN, "proof_begin", 1, -MAX_ERRNO)			\
	X(PROOF_NEXT, "proof_next", 0, -MAX_ERRNO)			\
	X(PROOF_BLOCK, "proof_block", 1, -MAX_ERRNO)			\
	X(RECORD_BEGIN, "record_begin", 0, -MAX_ERRNO)			\
	X(RECORD_EXTENT, "record_extent", 3, -MAX_ERRNO)		\
	X(RECORD_SURVEY, "record_survey", 1, -MAX_ERRNO)		\
	X(RECORD_PLAN, "record_plan", 0, -MAX_ERRNO)			\
	X(RECORD_NEXT, "record_next", 0, -MAX_ERRNO)			\
	X(RECORD_OFFSET, "record_offset", 0, -MAX_ERRNO)		\
	X(RECORD_EXPORT, "record_export", 0, -MAX_ERRNO)		\
	X(RECORD_ENCODE, "record_encode", 0, -MAX_ERRNO)		\
	X(RECORD_CHECK, "record_check", 0, -MAX_ERRNO)			\
	X(RECORD_IMPORT, "record_import", 0, CORE_STATUS_ROOM)		\
	X(RECORD_ACCEPT, "record_accept", 0, -MAX_ERRNO)		\
	X(REGIONS_SET, "regions_set", 1, -MAX_ERRNO)			\
	X(REGIONS_KEEP, "regions_keep", 2, CORE_STATUS_REGION)		\
	X(MAP_NEXT, "map_next", 1, -MAX_ERRNO)				\
	X(MAP_OFFSET, "map_offset", 1, -MAX_ERRNO)			\
	X(MAP_EXPORT, "map_export", 2, -MAX_ERRNO)			\
	X(MAP_WRITTEN, "map_written", 2, -MAX_ERRNO)			\
	X(MAP_IMPORT, "map_import", 1, -MAX_ERRNO)			\
	X(MAP_RECOVER, "map_recover", 1, CORE_STATUS_ROOM)		\
	X(MAP_RECOUNT, "map_recount", 1, -MAX_ERRNO)			\
	X(LIVE_BEGIN, "live_begin", 0, -MAX_ERRNO)			\
	X(LIVE_SWITCH, "live_switch", 2, -MAX_ERRNO)			\
	X(LIVE_IDENTITY, "live_identity", 1, -MAX_ERRNO)		\
	X(LIVE_REST, "live_rest", 3, -MAX_ERRNO)			\
	X(LIVE_LOG, "live_log", 2, -MAX_ERRNO)				\
	X(LIVE_RENEW, "live_renew", 0, -MAX_ERRNO)			\
	X(LIVE_RESUME, "live_resume", 0, -MAX_ERRNO)			\
	X(LIVE_ENCODE, "live_encode", 0, -MAX_ERRNO)			\
	X(LIVE_COMMIT, "live_commit", 0, -MAX_ERRNO)			\
	X(LIVE_DROP, "live_drop", 0, -MAX_ERRNO)			\
	X(LIVE_VOID, "live_void", 0, -MAX_ERRNO)			\
	X(SLOTS_TAKE, "slots_take", 0, -MAX_ERRNO)			\
	X(LIVE_MOVE, "live_move", 2, -MAX_ERRNO)			\
	X(LIVE_INHERIT, "live_inherit", 0, -MAX_ERRNO)			\
	X(LIVE_TAKE_OVER, "live_take_over", 0, -MAX_ERRNO)		\
	X(LIVE_FORMER_CLOSED, "live_former_closed", 0, -MAX_ERRNO)	\
	X(HEADER_FOLLOW, "header_follow", 0, -MAX_ERRNO)

/* The control node */
#define DATTO_IOCTL_MAGIC			0x91
#define DATTOBD_GROUP_MAX			32

enum dattobd_state {
	DATTOBD_STATE_DORMANT_INCREMENTAL = 0,
	DATTOBD_STATE_DORMANT_SNAPSHOT = 1,
	DATTOBD_STATE_ACTIVE_INCREMENTAL = 2,
	DATTOBD_STATE_ACTIVE_SNAPSHOT = 3,
	DATTOBD_STATE_UNVERIFIED_INCREMENTAL = 4,
	DATTOBD_STATE_UNVERIFIED_SNAPSHOT = 5,
};

struct setup_params {
	char __user *bdev;			/* path of the origin */
	char __user *cow;			/* path of the COW file */
	unsigned long fallocated_space;		/* MiB, 0 for the default */
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct setup_params) == 40);
static_assert(offsetof(struct setup_params, bdev) == 0);
static_assert(offsetof(struct setup_params, cow) == 8);
static_assert(offsetof(struct setup_params, fallocated_space) == 16);
static_assert(offsetof(struct setup_params, cache_size) == 24);
static_assert(offsetof(struct setup_params, minor) == 32);

struct reload_params {
	char __user *bdev;			/* path of the origin */
	char __user *cow;			/* from the root of the filesystem */
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct reload_params) == 32);
static_assert(offsetof(struct reload_params, bdev) == 0);
static_assert(offsetof(struct reload_params, cow) == 8);
static_assert(offsetof(struct reload_params, cache_size) == 16);
static_assert(offsetof(struct reload_params, minor) == 24);

struct transition_snap_params {
	char __user *cow;			/* path of the new COW file */
	unsigned long fallocated_space;		/* MiB, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct transition_snap_params) == 24);
static_assert(offsetof(struct transition_snap_params, cow) == 0);
static_assert(offsetof(struct transition_snap_params, fallocated_space) == 8);
static_assert(offsetof(struct transition_snap_params, minor) == 16);

struct reconfigure_params {
	unsigned long cache_size;		/* bytes, 0 for the default */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct reconfigure_params) == 16);
static_assert(offsetof(struct reconfigure_params, cache_size) == 0);
static_assert(offsetof(struct reconfigure_params, minor) == 8);

struct expand_cow_file_params {
	__u64 size;				/* MiB to add */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct expand_cow_file_params) == 16);
static_assert(offsetof(struct expand_cow_file_params, size) == 0);
static_assert(offsetof(struct expand_cow_file_params, minor) == 8);

struct reconfigure_auto_expand_params {
	__u64 step_size;			/* MiB per step, 0 for off */
	__u64 reserved_space;			/* MiB to leave free */
	unsigned int minor;			/* minor of the device */
};

static_assert(sizeof(struct reconfigure_auto_expand_params) == 24);
static_assert(offsetof(struct reconfigure_auto_expand_params, step_size) == 0);
static_assert(offsetof(struct reconfigure_auto_expand_params, reserved_space) == 8);
static_assert(offsetof(struct reconfigure_auto_expand_params, minor) == 16);

struct snapshot_group_member {
	__u64 bdev;				/* path of the origin, of a set-up only */
	__u64 cow;				/* path of the new COW file */
	__u64 fallocated_space;			/* MiB, 0 for the default */
	__u64 cache_size;			/* bytes, of a set-up only */
	__u64 minor;				/* minor of the device */
};

static_assert(sizeof(struct snapshot_group_member) == 40);
static_assert(offsetof(struct snapshot_group_member, bdev) == 0);
static_assert(offsetof(struct snapshot_group_member, cow) == 8);
static_assert(offsetof(struct snapshot_group_member, fallocated_space) == 16);
static_assert(offsetof(struct snapshot_group_member, cache_size) == 24);
static_assert(offsetof(struct snapshot_group_member, minor) == 32);

struct snapshot_group_params {
	__u64 members;				/* struct snapshot_group_member [] */
	__u64 count;				/* of members, from 1 on */
	__u64 flags;				/* 0 */
	__u64 failed;				/* out: index of a member, or count */
	__u64 taken;				/* out: 1 if there was a snapshot of all */
};

static_assert(sizeof(struct snapshot_group_params) == 40);
static_assert(offsetof(struct snapshot_group_params, members) == 0);
static_assert(offsetof(struct snapshot_group_params, count) == 8);
static_assert(offsetof(struct snapshot_group_params, flags) == 16);
static_assert(offsetof(struct snapshot_group_params, failed) == 24);
static_assert(offsetof(struct snapshot_group_params, taken) == 32);

struct dattobd_info {
	unsigned int minor;			/* in: minor of the device */
	unsigned long state;			/* enum dattobd_state */
	int error;				/* 0 or a negative errno */
	unsigned long cache_size;		/* bytes */
	unsigned long long falloc_size;		/* size limit of the file, bytes */
	unsigned long long seqid;		/* number in the series */
	char uuid[16];				/* id of the series */
	char cow[4096];				/* as cow_file in /proc */
	char bdev[4096];			/* as block_device */
	unsigned long long version;		/* version of the header */
	unsigned long long nr_changed_blocks;	/* blocks */
};

static_assert(sizeof(struct dattobd_info) == 8272);
static_assert(offsetof(struct dattobd_info, minor) == 0);
static_assert(offsetof(struct dattobd_info, state) == 8);
static_assert(offsetof(struct dattobd_info, error) == 16);
static_assert(offsetof(struct dattobd_info, cache_size) == 24);
static_assert(offsetof(struct dattobd_info, falloc_size) == 32);
static_assert(offsetof(struct dattobd_info, seqid) == 40);
static_assert(offsetof(struct dattobd_info, uuid) == 48);
static_assert(offsetof(struct dattobd_info, cow) == 64);
static_assert(offsetof(struct dattobd_info, bdev) == 4160);
static_assert(offsetof(struct dattobd_info, version) == 8256);
static_assert(offsetof(struct dattobd_info, nr_changed_blocks) == 8264);

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

static_assert(IOCTL_SETUP_SNAP == 0x40289101);
static_assert(IOCTL_RELOAD_SNAP == 0x40209102);
static_assert(IOCTL_RELOAD_INC == 0x40209103);
static_assert(IOCTL_DESTROY == 0x40049104);
static_assert(IOCTL_TRANSITION_INC == 0x40049105);
static_assert(IOCTL_TRANSITION_SNAP == 0x40189106);
static_assert(IOCTL_RECONFIGURE == 0x40109107);
static_assert(IOCTL_DATTOBD_INFO == 0xA0509108);
static_assert(IOCTL_GET_FREE == 0x80049109);
static_assert(IOCTL_EXPAND_COW_FILE == 0x4010910A);
static_assert(IOCTL_RECONFIGURE_AUTO_EXPAND == 0x4018910B);
static_assert(IOCTL_SETUP_SNAP_GROUP == 0xC028910C);
static_assert(IOCTL_TRANSITION_SNAP_GROUP == 0xC028910D);

#endif /* LAYOUT_H */
