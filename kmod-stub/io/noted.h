/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was written here of what a mount elsewhere would change: block 0, and where the last record
 * of an XFS log ends. It is noted as it goes by.
 */
#ifndef DATTOBD_IO_NOTED_H
#define DATTOBD_IO_NOTED_H

#include <linux/types.h>

struct bio;
struct engine;
struct volume;

#define NOTED_RECORDS 16 /* of a log that XFS has in flight at most: 8, each in one piece or two */

/* One record of the log: where it ends, and in which cycle; and what wrote it. */
struct log_record {
	const struct bio *bio;
	u64 last;
	u32 cycle;
};

/**
 * struct noted - Under core_lock.
 * @seen: block 0, as it was written here last
 * @log_start, @log_end: sectors of the XFS log; equal if there is none
 * @log_last, @log_cycle: last sector, from @log_start on, and cycle of the last record
 * @log_known: false if the log was overwritten here otherwise, and no record was written since
 * @records: those that were noted last; @nr_records counts all
 * @when: in jiffies
 */
struct noted {
	void *seen;
	u64 log_start, log_end, log_last;
	u32 log_cycle;
	bool log_known;
	struct log_record records[NOTED_RECORDS];
	unsigned int nr_records;
	unsigned long when;
};

int noted_init(struct noted *noted); /* 0 or -ENOMEM */
void noted_exit(struct noted *noted);

/** noted_in_log() - Does a write go to the XFS log, all of it? Context: core_lock. */
bool noted_in_log(const struct noted *noted, sector_t sector, sector_t nr_sectors);

/** noted_landing() - Was something noted a moment ago, that may not be on disk yet? */
bool noted_landing(const struct noted *noted);

/**
 * noted_write() - A write goes to the origin. Its data do not change while it is in flight.
 * @sector, @nr_sectors: the part that lies on the origin, relative to it
 *
 * Context: core_lock.
 */
void noted_write(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * noted_again() - Was this write noted, a moment ago? Device mapper submits one that wants a flush
 * first a second time, after the flush. To hold it then would be to wait for what it is to write.
 *
 * Only records of an XFS log are known again; they are what is written so and noted.
 * Context: core_lock.
 */
bool noted_again(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * noted_take() - Take what was found on disk as written here.
 * @block: block 0
 * @known: does the log end where the core has found it?
 *
 * Context: core_lock.
 */
void noted_take(struct volume *vol, const void *block);
void noted_take_log(struct volume *vol, bool known);

/**
 * noted_rest() - Let a core know that no write to the log is in flight.
 * @engine: the volume's core, or the one that will be
 *
 * Context: core_lock.
 */
void noted_rest(struct volume *vol, struct engine *engine);

/**
 * noted_differs() - Does the log that the core has found end elsewhere than what was noted?
 *
 * Context: core_lock.
 */
bool noted_differs(struct volume *vol);

/**
 * noted_identity() - Does the core's live checkpoint speak of the superblock as a write leaves it?
 * @bio: the write, which touches block 0; NULL for what was noted last
 *
 * Context: core_lock.
 * Return: 1; 0 if it does not; -%EOPNOTSUPP if it is no superblock that it could speak of.
 */
s64 noted_identity(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/** noted_log() - The same, of a write that touches the log. Context: core_lock. */
s64 noted_log(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/** noted_touches_log() - Is there such a one? Context: core_lock. */
bool noted_touches_log(const struct noted *noted, sector_t sector, sector_t nr_sectors);

#endif
