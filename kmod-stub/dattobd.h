/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stub's own header: what each file of this folder offers to the others, grouped by file.
 *
 * Locks, outermost first:
 *   control_lock()        one request or look of the watch at a time for each minor (control/ioctl.c)
 *   device.expand_mutex   one growth of the COW file at a time, by an ioctl or by itself (control/grow_cow.c)
 *   the right to write    to the origin's filesystem: a freeze waits for who has it (cow/write.c)
 *   devices_lock          the table of devices, and what control/status.c reads of them (main.c)
 *   device.sections_lock  one section load or write-back at a time, with its I/O (io/sections.c)
 *   proof.lock            one look at the origin's filesystem at a time, with its I/O (io/proof.c)
 *   device.core_lock      calls into the core, and the decision whether a write may go; irq-safe,
 *                         taken inside an ftrace callback (compat/lock.h)
 *   snapshot.reads_lock   snapshot reads in flight; irq-safe, of the same kind, leaf
 *   ring.lock             copies not yet on disk; irq-safe, leaf
 *   late.lock             writes that are not decided about yet; irq-safe, raw, leaf
 */
#ifndef DATTOBD_H
#define DATTOBD_H

#include <linux/types.h>
#include <linux/blkdev.h>
#include <linux/bio.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "control/auto_grow.h"
#include "compat.h"
#include "io/handover.h"
#include "cow/file.h"
#include "io/drain.h"
#include "core/engine.h"
#include "io/late.h"
#include "layout.h"
#include "io/proof.h"
#include "io/seal.h"

#define MIB (1024ULL * 1024)

#define DEV_FMT(fmt) "datto: minor %u: " fmt "\n"
#define pr_dev_err(dev, fmt, ...) pr_err(DEV_FMT(fmt), (dev)->minor, ##__VA_ARGS__)
#define pr_dev_warn(dev, fmt, ...) pr_warn(DEV_FMT(fmt), (dev)->minor, ##__VA_ARGS__)
#define pr_dev_info(dev, fmt, ...) pr_info(DEV_FMT(fmt), (dev)->minor, ##__VA_ARGS__)

/* What a device went through, for who sets the parameter debug. */
#define pr_dev_debug(dev, fmt, ...)                           \
	do {                                                  \
		if (debug)                                    \
			pr_dev_info(dev, fmt, ##__VA_ARGS__); \
	} while (0)

#define core_lock(dev, flags) compat_lock_irqsave(&(dev)->core_lock, flags)
#define core_unlock(dev, flags) compat_unlock_irqrestore(&(dev)->core_lock, flags)

/* control/device.c: one tracked origin */

/** struct device_counters - What only the core knows, read at one moment. */
struct device_counters {
	u64 fsize, seqid, version, nr_changed;
};

struct cut;
struct snapshot;
struct ring;
struct free_space;

struct dattobd_device {
	unsigned int minor;
	struct hlist_node node; /* io/intercept.c's table */
	struct list_head claim; /* see device_claim() */

	struct compat_bdev origin;
	sector_t start; /* first sector of the origin on its disk */
	sector_t nr_sectors; /* tracked: what the core was made for; control/grow_origin.c changes it */
	char *origin_path; /* absolute, symbolic links resolved */

	/*
	 * Serialises the core, and makes the decision about a write one step with the state it
	 * rests on: mode, error and the registered reads. Interrupts are off under it, so that a
	 * write may be submitted from any context.
	 */
	compat_lock_t core_lock;
	struct engine *engine;
	u64 buffer_address, runs_address; /* the core's two areas, the same for every engine */
	bool snapshot_mode; /* else incremental */
	int error; /* first errno that failed the device; set once, by device_fail() */
	struct snapshot *snap; /* in snapshot mode; NULL in incremental mode */
	struct cow_file *cow;
	struct cut *cut; /* under core_lock; see io/cut.h */

	/*
	 * io/copy.c, io/ring.c: reserves of their own, since the common one may be in the hands of
	 * writes that are held
	 */
	struct bio_set read_bios, append_bios;
	atomic_t nr_cow_writes; /* raw writes to the COW file in flight */
	wait_queue_head_t cow_writes_wait;

	/* io/tracker.c */
	struct bio_list held; /* under core_lock */
	struct late late;
	struct work_struct work;
	struct core_range *ranges; /* COPY_RANGES, the worker's */
	struct core_run *runs; /* COPY_BLOCKS, the worker's */
	struct list_head copy_requests; /* under core_lock; see tracker_copy() */
	struct drain drain;
	struct workqueue_struct *wq;

	/* io/sections.c */
	struct mutex sections_lock;
	void *section_bounce; /* COW_SECTION_BYTES */
	struct work_struct cache_work; /* see sections_set_cache() */
	u64 cache_wanted;
	int cache_error;

	u8 uuid[COW_UUID_SIZE]; /* of the series */
	struct device_counters counters; /* the last good ones */

	/* io/seal.c; under core_lock */
	enum seal seal;
	bool seal_wanted, seal_open_wanted; /* what the worker is to do */
	bool seal_spoiled;
	bool shut; /* see seal_is_shut() */
	int seal_error; /* of the last seal_make() */
	void *open_header; /* COW_HEADER_SIZE: the header block of a file without a record */
	void *sealed_header; /* the same with the record */
	u64 fingerprint; /* what the record is tied to */
	struct proof *proof; /* io/proof.c */
	unsigned long proved; /* jiffies, of a write that came while shut; 0 if never */
	unsigned long seal_broken; /* jiffies; 0 if never */

	/* control/watch.c, control/reload.c; under control_lock() */
	struct delayed_work watch;
	unsigned int idle_ticks; /* looks in a row that found no filesystem mounted read-write */
	bool no_record; /* none could be written: not tried again before the next mount */
	bool unverified; /* reloaded, and not mounted read-write since */
	bool publish_wanted; /* /dev/dattoN comes with the mount */
	bool tracked; /* in the table of io/intercept.c */
	char *origin_name, *cow_name; /* as given to reload, else NULL */
	/* control/grow_cow.c */
	struct mutex expand_mutex;
	u64 grown_from; /* first position that this COW file got by growing, 0 if it has not */
	u64 masked_end; /* what it grew by reads as zeros in the snapshot up to here, and stays */
	struct free_space *free_space; /* at the snapshot's instant; NULL if it was not asked for */
	struct auto_expand auto_expand;

	/* as configured, for status only */
	u64 cache_bytes; /* 0: the default */
	u64 fallocate_mib;
};

static inline struct block_device *origin_bdev(const struct dattobd_device *dev)
{
	return dev->origin.bdev;
}

/**
 * device_new() - A device for an origin, not tracking yet.
 * @origin: path, as the caller gave it
 * @mounted: whether the origin must be mounted read-write, or must not
 *
 * Errors and their order: docs/ABI.md, B4.3 to B4.7, B4.22 to B4.24.
 */
struct dattobd_device *device_new(unsigned int minor, const char *origin, bool mounted);

/**
 * device_claim() - Be the one device that tracks its origin, until device_unclaim() or
 * device_free(). Return: 0, -%EALREADY if another one is, or -%EBUSY if a request is just making
 * or freeing it.
 */
int device_claim(struct dattobd_device *dev);
void device_unclaim(struct dattobd_device *dev);

/**
 * device_free() - Free a device that is not in the table of io/intercept.c, with what it still
 * holds.
 */
void device_free(struct dattobd_device *dev);

/**
 * device_fail() - Put a device in the failed state: the first errno is kept, held writes are
 * released, snapshot reads give -EIO, and the origin goes on untouched.
 *
 * Context: Any, core_lock not held.
 */
void device_fail(struct dattobd_device *dev, int error, const char *what);

/** device_fail_locked() - The same, under core_lock. */
void device_fail_locked(struct dattobd_device *dev, int error, const char *what);

/**
 * device_cow_write_begin() - May the COW file be written raw? If so, nobody else's write to its
 * blocks is let go before the matching device_cow_write_end().
 *
 * Return: false on a failed device: its COW file's blocks may belong to somebody else.
 */
bool device_cow_write_begin(struct dattobd_device *dev);
void device_cow_write_end(struct dattobd_device *dev);

/** device_cow_writes_wait() - Wait until no raw write to the COW file is in flight. */
void device_cow_writes_wait(struct dattobd_device *dev);

/**
 * device_drop_snapshot() - Take the snapshot, if there is one, from a device that copies nothing
 * any more, and destroy it. Context: snapshot_close() has succeeded.
 */
void device_drop_snapshot(struct dattobd_device *dev);

/** device_nr_blocks() - Blocks of the origin, a partial last one included. */
static inline u64 device_nr_blocks(const struct dattobd_device *dev)
{
	return DIV_ROUND_UP_ULL(dev->nr_sectors, COW_BLOCK_SECTORS);
}

/** device_cache_bytes() - The cache limit in force, the default substituted for 0. */
u64 device_cache_bytes(const struct dattobd_device *dev);

/** device_state() - As users see it. */
enum dattobd_state device_state(struct dattobd_device *dev);

/** device_enlist() - Put a device into devices[], or take it out. */
void device_enlist(struct dattobd_device *dev, bool listed);

void device_counters(struct dattobd_device *dev, struct device_counters *counters);

/**
 * device_check_thawed() - A frozen filesystem, be it by fsfreeze or a suspended device mapper,
 * takes no writes: a file can neither be created nor removed.
 *
 * Return: 0 or -%EBUSY.
 */
int device_check_thawed(const struct dattobd_device *dev);

/*
 * control/transition.c: a device's way from mode to mode. Under control_lock(); may sleep. Errors and
 * their order: docs/ABI.md, B.4.
 */
int transition_setup(unsigned int minor, const char *origin, const char *cow, u64 fallocate_mib,
		     u64 cache_bytes);
int transition_to_incremental(struct dattobd_device *dev);
int transition_to_snapshot(struct dattobd_device *dev, const char *cow, u64 fallocate_mib);

/* control/destroy.c: the last of them */
int transition_destroy(struct dattobd_device *dev);

/**
 * transition_dismantle() - Stop tracking, let held writes go, remove disk and COW file, and free
 * the device. A clean record stays in a COW file that is kept, unless a write still comes.
 */
void transition_dismantle(struct dattobd_device *dev, bool keep_cow);

/**
 * transition_unload() - The same, without a chance to refuse. Context: Nobody has the snapshot
 * open, nor can.
 */
void transition_unload(struct dattobd_device *dev);

/*
 * control/reconfigure.c: what can be changed without a change of mode. Under control_lock(); may sleep.
 * Errors and their order: docs/ABI.md, B.4.
 */
int device_reconfigure(struct dattobd_device *dev, u64 cache_bytes); /* 0: the default */
int device_expand(struct dattobd_device *dev, u64 mib);
int device_set_auto_expand(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib);

/* main.c: parameters and the table of devices by minor */

#define SNAP_DEVICES_MAX 255

extern unsigned long cow_max_memory_default;
extern unsigned int cow_fallocate_percentage_default;
extern unsigned int max_snap_devices;
extern unsigned int datto_major;
extern int debug;

/* guards devices[] and what control/status.c reads of them; held briefly */
extern struct mutex devices_lock;
extern struct dattobd_device *devices[];

/* control/ioctl.c, control/status.c */

/** control_lock() - Lock a minor. Return: 0, or -%EINTR if the caller was killed. */
int control_lock(unsigned int minor);
bool control_trylock(unsigned int minor);
void control_unlock(unsigned int minor);
int control_init(void);
void control_exit(void);
int status_init(void);
void status_exit(void);

/* io/intercept.c: the function that hands bios to disks, redirected for writes to tracked ones */

void intercept_add(struct dattobd_device *dev);
void intercept_remove(struct dattobd_device *dev);

/**
 * intercept_enable() - Redirect that function. Counted; undone by intercept_disable().
 * @bdev: for the self-test, which does no I/O if it succeeds
 *
 * Return: 0; -%EBUSY if another owner (a live patch, another snapshot module) redirects it already;
 * -%ENXIO if bios do not come by there in this kernel; -%ENOMEM.
 */
int intercept_enable(struct block_device *bdev);
void intercept_disable(void);

/**
 * intercept_submit() - Submit a bio of our own: it is not intercepted. Context: Process context.
 */
void intercept_submit(struct bio *bio);

/**
 * intercept_next() - Let a write go on that @dev held: to the next device on the same disk, or to
 * the disk.
 */
void intercept_next(struct dattobd_device *dev, struct bio *bio);

/*
 * End of every write of our own. A remainder that the block layer splits off comes back to
 * submit_bio_noacct() from outside this module, still with this function in bi_end_io: so it is
 * known.
 */
void cow_file_raw_end_io(struct bio *bio);

/* End of raw writes to a file that is no snapshot's yet: they are recorded like anybody's. */
void cow_file_recorded_end_io(struct bio *bio);

void ring_append_end_io(struct bio *bio);

/* io/tracker.c: the decision about each write */

/**
 * tracker_take() - Decide about a write-like bio on the device's disk.
 *
 * Incremental mode: its blocks are marked. Snapshot mode: it may go if its blocks are copied
 * already and no snapshot read of the origin overlaps it; else it is held.
 *
 * Context: Any, also with preemption off. Does not sleep or allocate.
 * Return: true if the bio was taken (held); it must not be submitted then.
 */
bool tracker_take(struct dattobd_device *dev, struct bio *bio);

/**
 * tracker_range() - The part of @bio that lies on the origin, relative to it.
 *
 * Return: number of sectors, 0 if none.
 */
sector_t tracker_range(const struct dattobd_device *dev, struct bio *bio, sector_t *sector);

void tracker_work(struct work_struct *work);

/**
 * tracker_copy() - Preserve what these sectors hold, as before a write.
 *
 * Context: Process context, snapshot mode is not left meanwhile.
 * Return: 0, or an error of expand_interrupted(); the worker goes on with it then.
 */
int tracker_copy(struct dattobd_device *dev, sector_t sector, sector_t nr_sectors);

/**
 * tracker_drain() - Wait until every write held so far has gone, whatever comes. Context: Process
 * context. Who can turn back uses drain_worker().
 */
void tracker_drain(struct dattobd_device *dev);

/* io/copy.c: preserving old content before writes go */

#define COPY_RANGES 128 /* writes looked at in one go */
#define COPY_BLOCKS 512 /* copied in one go */

/**
 * copy_ranges() - Preserve every block that @ranges touch and that is not copied yet.
 * @ranges: sorted by sector
 *
 * Returns early, without an error, if the device leaves snapshot mode or fails.
 * Context: The tracker's worker.
 */
void copy_ranges(struct dattobd_device *dev, const struct core_range *ranges, unsigned int count);

/* io/snapshot.c: the frozen view /dev/dattoN */

struct snapshot *snapshot_create(struct dattobd_device *dev, struct cow_file *cow,
				 u64 first_position);
int snapshot_publish(struct snapshot *snap); /* /dev/dattoN appears */

/** snapshot_close() - Refuse further opens. Return: -%EBUSY if it is open. */
int snapshot_close(struct snapshot *snap);
void snapshot_reopen(struct snapshot *snap); /* undo snapshot_close() */
void snapshot_destroy(struct snapshot *snap); /* after snapshot_close(); waits for all its I/O */

struct ring *snapshot_ring(struct snapshot *snap); /* see io/ring.h */

#endif
