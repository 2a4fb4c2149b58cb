/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stub's own header: what each file of this folder offers to the others, grouped by file.
 *
 * Locks, outermost first:
 *   control_mutex          one ioctl at a time (control.c)
 *   devices_lock           the table of devices, and what status.c reads of them; held briefly (main.c)
 *   device.sections_lock   one section load or write-back at a time; I/O happens under it (sections.c)
 *   device.core_lock       calls into the core and the decision whether a write may go; irq-safe, raw because it is taken
 *                          in an ftrace callback, with preemption off
 *   snapshot.reads_lock    in-flight snapshot reads of the origin; irq-safe, leaf
 *   ring.lock              copies not yet on disk; irq-safe, leaf
 */
#ifndef DATTOBD_H
#define DATTOBD_H

#include <linux/types.h>
#include <linux/blkdev.h>
#include <linux/bio.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "layout.h"

#define pr_dev(level, dev, fmt, ...) \
	printk(level "datto: minor %u: " fmt "\n", (dev)->minor, ##__VA_ARGS__)

/* pr_dev_debug() - What a device went through, for who sets the parameter debug. */
#define pr_dev_debug(dev, fmt, ...) \
	do { \
		if (debug) \
			pr_dev(KERN_INFO, dev, fmt, ##__VA_ARGS__); \
	} while (0)

/* engine.c: the only file that sees wasm3 */

struct engine;

/**
 * engine_create() - Load the embedded core into an interpreter of its own.
 *
 * All functions are looked up, checked against the generated export table, and compiled.
 *
 * Context: Process context. May sleep (a mutex serialises loading).
 * Return: The engine, or ERR_PTR(): -%ENOMEM, -%ENOEXEC if the core does not match the table.
 */
struct engine *engine_create(void);

/** engine_destroy() - Free an engine. Context: Process context, no call running. NULL is allowed. */
void engine_destroy(struct engine *engine);

/**
 * engine_call() - Call one export of the core.
 * @engine: the engine
 * @export: which
 * @a, @b, @c: arguments; those beyond the export's arity are ignored
 *
 * Context: Any, serialised by the caller's core_lock. Does not sleep or allocate (except CORE_INIT: process context,
 * no spinlock).
 * Return: What the core returned, or -%ENOTRECOVERABLE after a trap; from then on every call returns that.
 */
s64 engine_call(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c);

/**
 * engine_memory() - Kernel address of a piece of linear memory.
 *
 * Valid until the engine is destroyed (after CORE_INIT, memory never moves).
 * Return: The address, or NULL if [address, address + len) is not inside linear memory.
 */
void *engine_memory(struct engine *engine, u64 address, size_t len);

/* cow_file.c, extents.c: the COW file, created through its filesystem, then pinned and reached by its extents */

struct cow_file;

/**
 * cow_file_create() - Create (or truncate), allocate, map, prove and pin a COW file.
 * @path: as the caller of the ioctl gave it; relative paths resolve against the calling process
 * @origin: the device whose filesystem it must lie on
 * @bytes: allocation size
 * @header: COW_HEADER_SIZE bytes that become the file's first block, through the filesystem
 *
 * Errors and their order: ABI.md B4.8 to B4.13. A failure after this call created the file removes it; a
 * file that was there before is never removed by a failure.
 *
 * Context: Process context of the ioctl's caller, filesystem not frozen. May sleep.
 * Return: The file, or ERR_PTR().
 */
struct cow_file *cow_file_create(const char *path, struct block_device *origin, u64 bytes, const void *header);

/** cow_file_path() - Path from the root of the filesystem, leading slash. */
const char *cow_file_path(const struct cow_file *cow);

/** cow_file_bytes() - Size of the allocation, in bytes. */
u64 cow_file_bytes(const struct cow_file *cow);

/** cow_file_has_filesystem() - False once the filesystem was unmounted; the extents are then no longer guarded. */
bool cow_file_has_filesystem(const struct cow_file *cow);

/** cow_file_on_unmount() - Set the one function called (any context that may sleep) when the filesystem goes. */
void cow_file_on_unmount(struct cow_file *cow, void (*fn)(void *), void *arg);

/** struct cow_extent - A run of the file's blocks that is contiguous on the origin. All in blocks of 4096 bytes. */
struct cow_extent {
	u64 position;	/* in the file */
	u64 block;	/* on the origin */
	u64 count;
};

/** cow_file_extents() - The extents in file order. Context: any; they live as long as @cow. */
const struct cow_extent *cow_file_extents(const struct cow_file *cow, unsigned int *count);

/**
 * cow_file_map() - Where a position of the file lies.
 * @position: block of the file
 * @block: result: block of the origin
 *
 * Context: Any.
 * Return: How many blocks from there on are contiguous on the origin, 0 if @position is outside the file.
 */
u64 cow_file_map(const struct cow_file *cow, u64 position, u64 *block);

/**
 * cow_file_raw() - Read or write a piece of the file through its extents and wait for it.
 * @op: REQ_OP_READ or REQ_OP_WRITE, with flags if wanted
 * @offset, @bytes: multiples of COW_BLOCK_SIZE
 * @data: a vmalloc or kmalloc address, page aligned
 *
 * Context: Process context, may sleep, does not enter the filesystem (GFP_NOIO).
 */
int cow_file_raw(struct cow_file *cow, blk_opf_t op, u64 offset, void *data, size_t bytes);

/* Sessions of writing through the filesystem. cow_file_open() drops the guards so that the file can be written;
 * cow_file_close() puts them back if @keep_pinned. Process context, filesystem not frozen.
 */
struct file *cow_file_open(struct cow_file *cow);
int cow_file_write(struct file *file, const void *data, size_t bytes, loff_t offset);
int cow_file_close(struct cow_file *cow, struct file *file, bool keep_pinned);

/** cow_file_truncate() - Cut the file to @bytes through the filesystem; extents beyond are forgotten. Stays pinned. */
int cow_file_truncate(struct cow_file *cow, u64 bytes);

/** cow_file_unlink() - Unpin and remove the file from its folder. */
int cow_file_unlink(struct cow_file *cow);

/** cow_file_release() - Unpin if pinned, and free. The file stays on disk. NULL is allowed. */
void cow_file_release(struct cow_file *cow);

int cow_files_init(void);	/* the fsnotify group */
void cow_files_exit(void);

/* device.c: one tracked origin */

struct snapshot;

struct dattobd_device {
	unsigned int minor;
	struct hlist_node node;		/* intercept.c's table */

	struct compat_bdev origin;
	sector_t start;			/* first sector of the origin on its disk */
	sector_t nr_sectors;
	char *origin_path;		/* absolute, symbolic links resolved */

	/*
	 * Serialises the core, and makes the decision about a write one step with the state it rests on: mode, error and
	 * the registered reads. Interrupts are off under it, so that a write may be submitted from any context.
	 */
	raw_spinlock_t core_lock;
	struct engine *engine;
	u64 buffer_address, runs_address;	/* the core's two areas, the same for every engine */
	bool snapshot_mode;		/* else incremental */
	int error;			/* first errno that failed the device; set once, by device_fail() */
	struct snapshot *snap;		/* in snapshot mode; NULL in incremental mode */
	struct cow_file *cow;

	/* tracker.c */
	struct bio_list held;		/* under core_lock */
	struct work_struct work;
	struct core_range *ranges;	/* COPY_RANGES, the worker's */
	struct core_run *runs;		/* COPY_BLOCKS, the worker's */
	struct workqueue_struct *wq;

	/* sections.c */
	struct mutex sections_lock;
	void *section_bounce;		/* COW_SECTION_BYTES */

	u8 uuid[COW_UUID_SIZE];		/* of the series */

	/* as configured, for status only */
	u64 cache_bytes;		/* 0: the default */
	u64 fallocate_mib;
};

static inline struct block_device *origin_bdev(const struct dattobd_device *dev)
{
	return dev->origin.bdev;
}

/**
 * device_new() - A device for an origin, not tracking yet.
 * @origin: path, as the caller gave it
 *
 * Errors and their order: ABI.md B4.3 to B4.7.
 */
struct dattobd_device *device_new(unsigned int minor, const char *origin);

/** device_free() - Free a device that is not in the table of intercept.c, with what it still holds. */
void device_free(struct dattobd_device *dev);

/**
 * device_fail() - Put a device in the failed state: the first errno is kept, held writes are released, snapshot reads
 * give -EIO, and the origin goes on untouched.
 *
 * Context: Any, core_lock not held.
 */
void device_fail(struct dattobd_device *dev, int error, const char *what);

/** device_fail_locked() - The same, under core_lock. */
void device_fail_locked(struct dattobd_device *dev, int error, const char *what);

/** device_cache_bytes() - The cache limit in force, the default substituted for 0. */
u64 device_cache_bytes(const struct dattobd_device *dev);

/** device_state() - As users see it. */
enum dattobd_state device_state(const struct dattobd_device *dev);

/** struct device_counters - What only the core knows, read at one moment. */
struct device_counters {
	u64 fsize, seqid, version, nr_changed;
};

void device_counters(struct dattobd_device *dev, struct device_counters *counters);

/* transition.c: a device's way from mode to mode. Under control_mutex; may sleep. Errors and their order: ABI.md B4. */
int transition_setup(unsigned int minor, const char *origin, const char *cow, u64 fallocate_mib, u64 cache_bytes);
int transition_to_incremental(struct dattobd_device *dev);
int transition_to_snapshot(struct dattobd_device *dev, const char *cow, u64 fallocate_mib);
int transition_destroy(struct dattobd_device *dev);

/* core_state.c: starting a core for a snapshot, handing one's state to the next, handing its index to user space */

/**
 * core_start() - An engine for a new snapshot of a device.
 * @fsize: of its COW file, bytes
 * @seqid: number in the series
 * @uuid: of the series
 * @header: result: the header block of the COW file, COW_HEADER_SIZE bytes
 *
 * Return: The engine, or ERR_PTR().
 */
struct engine *core_start(struct dattobd_device *dev, u64 cache_bytes, u64 fsize, u64 seqid, const u8 *uuid,
			  void *header);

/** core_mask_cow() - Tell a core where its own COW file lies. Context: no other caller of @engine. */
int core_mask_cow(struct engine *engine, const struct cow_file *cow);

/**
 * core_succeed() - Hand over what the next snapshot's core must know of the device's present core.
 * @cow: the next COW file, which the present index must list
 * @changed: result: the device's counter of changed blocks from before. If it has moved when the next core takes over, a
 * write came in between (past the filesystem, which is frozen), and this must be done again.
 *
 * Context: the filesystem is frozen.
 */
int core_succeed(struct dattobd_device *dev, struct engine *next, const struct cow_file *cow, u64 *changed);

/**
 * core_export() - Write index and clean header to a COW file, through its filesystem, and close it.
 *
 * The file is unpinned in every case. Context: no other caller of @engine; the filesystem is not frozen.
 */
int core_export(struct dattobd_device *dev, struct engine *engine, struct cow_file *cow);

/* main.c: parameters and the table of devices by minor */

extern unsigned long cow_max_memory_default;
extern unsigned int cow_fallocate_percentage_default;
extern unsigned int max_snap_devices;
extern unsigned int datto_major;
extern int debug;

extern struct mutex devices_lock;	/* guards devices[] and what status.c reads of them; held briefly */
extern struct dattobd_device *devices[];

/* control.c, status.c */
int control_init(void);
void control_exit(void);
int status_init(void);
void status_exit(void);

/* intercept.c: submit_bio_noacct() redirected for writes to tracked disks */

void intercept_add(struct dattobd_device *dev);
void intercept_remove(struct dattobd_device *dev);

/**
 * intercept_enable() - Take part in submit_bio_noacct(). Counted; undone by intercept_disable().
 * Return: 0, or -%EBUSY if another owner (a live patch, another snapshot module) redirects it already.
 */
int intercept_enable(void);
void intercept_disable(void);

/** intercept_submit() - Submit a bio of our own: it is not intercepted. Context: Process context. */
void intercept_submit(struct bio *bio);

/** intercept_next() - Let a write go on that @dev held: to the next device on the same disk, or to the disk. */
void intercept_next(struct dattobd_device *dev, struct bio *bio);

/* End of every write of our own. A remainder that the block layer splits off comes back to submit_bio_noacct() from
 * outside this module, still with this function in bi_end_io: so it is known.
 */
void cow_file_raw_end_io(struct bio *bio);
void ring_append_end_io(struct bio *bio);

/* tracker.c: the decision about each write */

/**
 * tracker_take() - Decide about a write-like bio on the device's disk.
 *
 * Incremental mode: its blocks are marked. Snapshot mode: it may go if its blocks are copied already and no snapshot
 * read of the origin overlaps it; else it is held.
 *
 * Context: Any, also with preemption off. Does not sleep or allocate.
 * Return: true if the bio was taken (held); it must not be submitted then.
 */
bool tracker_take(struct dattobd_device *dev, struct bio *bio);

/** tracker_range() - The part of @bio that lies on the origin, relative to it. Return: number of sectors, 0 if none. */
sector_t tracker_range(const struct dattobd_device *dev, struct bio *bio, sector_t *sector);

void tracker_work(struct work_struct *work);

/** tracker_drain() - Wait until every write held so far has gone. Context: Process context. */
void tracker_drain(struct dattobd_device *dev);

/* copy.c: preserving old content before writes go */

#define COPY_RANGES 128		/* writes looked at in one go */
#define COPY_BLOCKS 512		/* copied in one go */

/**
 * copy_ranges() - Preserve every block that @ranges touch and that is not copied yet.
 * @ranges: sorted by sector
 *
 * Returns early, without an error, if the device leaves snapshot mode or fails.
 * Context: The tracker's worker.
 */
void copy_ranges(struct dattobd_device *dev, const struct core_range *ranges, unsigned int count);

/* sections.c */

/** sections_load() - Make an index section resident, writing others back as the core asks. Return: 0 or -errno. */
int sections_load(struct dattobd_device *dev, u64 section);

/* ring.c: copies in memory, from the read of the old data until they are on disk */

#define RING_BLOCKS 1024	/* 4 MiB a snapshot */

struct ring;

struct ring *ring_create(struct dattobd_device *dev, struct cow_file *cow, u64 first_position);
void ring_destroy(struct ring *ring);	/* after ring_drain() */

/** ring_page() - The page for @position, which lies in [head, head + free). */
struct page *ring_page(struct ring *ring, u64 position);
u64 ring_head(struct ring *ring);

/** ring_wait_free() - Sleep until at least one block is free. Return: how many are. Context: the tracker's worker. */
unsigned int ring_wait_free(struct ring *ring);

/** ring_publish() - Positions [head, head + count) hold copies from now on. Context: core_lock held. */
void ring_publish(struct ring *ring, unsigned int count);

/** ring_flush() - Start writing what was published to the COW file. Context: the tracker's worker. */
void ring_flush(struct ring *ring);

/** ring_drain() - Wait until all writes that were started have ended. */
void ring_drain(struct ring *ring);

/**
 * ring_read() - Copy a piece of a block that is still in memory.
 * @position: of the block, below the head
 * @offset: of the piece in the block, bytes
 * @to, @iter: where it goes; @iter's size is the length, within the block
 *
 * Return: 0 if it was copied; else it is on disk, as are this many positions from it on.
 */
u64 ring_read(struct ring *ring, u64 position, unsigned int offset, struct bio *to, struct bvec_iter iter);

/* snapshot.c: the frozen view /dev/dattoN */

struct snapshot *snapshot_create(struct dattobd_device *dev, struct cow_file *cow, u64 first_position);
int snapshot_publish(struct snapshot *snap);	/* /dev/dattoN appears */

/** snapshot_close() - Refuse further opens. Return: -%EBUSY if it is open. */
int snapshot_close(struct snapshot *snap);
void snapshot_reopen(struct snapshot *snap);	/* undo snapshot_close() */
void snapshot_destroy(struct snapshot *snap);	/* after snapshot_close(); waits for all its I/O */

struct ring *snapshot_ring(struct snapshot *snap);

/** snapshot_reads_overlap() - Is a read of the origin in flight that touches these sectors? Context: Any. */
bool snapshot_reads_overlap(struct snapshot *snap, sector_t sector, sector_t nr_sectors);

/** snapshot_wait_reads() - Sleep until none is, or the device failed. */
void snapshot_wait_reads(struct snapshot *snap, sector_t sector, sector_t nr_sectors);

#endif
