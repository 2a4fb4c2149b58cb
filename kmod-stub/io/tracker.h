/* SPDX-License-Identifier: GPL-2.0-only */
/* The decision about each write. */
#ifndef DATTOBD_IO_TRACKER_H
#define DATTOBD_IO_TRACKER_H

#include <linux/bio.h>
#include "io/origins.h"

struct volume;

/**
 * tracker_take() - Decide about a write-like bio on the origin's disk; &origin.take of a volume.
 *
 * Incremental mode: its blocks are marked. Snapshot mode: it may go if its blocks are copied
 * already and no snapshot read of the origin overlaps it; else it is deferred.
 */
enum take tracker_take(struct origin *origin, struct bio *bio);

/** enum release - What is to become of a deferred write that was looked at again. */
enum release {
	RELEASE_GO, /* it is to be submitted, by origin_next() */
	RELEASE_GONE, /* it has ended: a discard that does not come to the disk */
	RELEASE_AFTER_READS, /* of the snapshot, older ones that overlap it */
	RELEASE_AGAIN, /* once the core has room, or a failed device no raw write in flight */
};

/**
 * tracker_release() - May a write that was deferred go now? The mode is looked at again: a
 * device that became incremental meanwhile must record the write, one that failed lets everything
 * go.
 * @older: snapshot mode: the number of the first read that knows of the write's copies
 *
 * Context: The worker.
 */
enum release tracker_release(struct volume *vol, struct bio *bio, u64 older);

/**
 * tracker_send() - Submit a write that tracker_release() let go a while ago. The COW file may have
 * grown into its blocks meanwhile: then the device fails first.
 *
 * Context: Process context. May sleep.
 */
void tracker_send(struct volume *vol, struct bio *bio);

/** tracker_range() - The part of @bio that is tracked, as origin_range(). */
sector_t tracker_range(const struct volume *vol, const struct bio *bio, sector_t *sector);

#endif
