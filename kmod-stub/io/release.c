// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>
#include "core/room.h"
#include "io/deferred.h"
#include "io/live_writes.h"
#include "io/reads.h"
#include "io/release.h"
#include "io/sender.h"
#include "io/snapshot.h"
#include "io/tracker.h"
#include "io/volume.h"

/* For what tracker_release() found in the way, other than snapshot reads. */
static void wait_to_release(struct volume *vol, struct bio *bio, unsigned int *tries)
{
	int err;

	if (live_settle(vol, bio))
		return;
	if (READ_ONCE(vol->core.error)) {
		cow_writes_wait(&vol->writes);
		return;
	}
	err = room_again(&vol->core, tries);
	if (err)
		core_fail(&vol->core, err,
			  "there is no memory to record a write; a full backup is needed");
}

/* As tracker_release(), which it calls until nothing but snapshot reads is in the way. */
static enum release release(struct volume *vol, struct write *write)
{
	unsigned int tries = 0;
	enum release release;

	if (write->request) {
		complete(&write->request->done);
		copy_request_put(write->request);
		return RELEASE_GONE;
	}
	while ((release = tracker_release(vol, write->bio, write->older)) == RELEASE_AGAIN)
		wait_to_release(vol, write->bio, &tries);
	return release;
}

static void gone_from(struct deferred *deferred, struct write *write, struct gone *gone)
{
	gone->nr_writes += !!write->bio;
	gone->nr_requests += !write->bio;
	gone->counts[write->crowd] += write->counts;
	deferred_put(deferred, write);
}

/* Those that wait for snapshot reads stay; the last of these wakes the worker. */
static void release_ready(struct volume *vol, struct gone *gone)
{
	struct deferred *deferred = &vol->deferred;
	struct snapshot *snap = READ_ONCE(vol->snap);
	struct write *write, *next;
	unsigned int nr_to_send = 0;
	struct blk_plug plug;
	LIST_HEAD(to_send);

	list_for_each_entry(write, &deferred->ready, list)
		write->older = snap ? snapshot_reads_begun(snap) : 0;
	list_splice_tail_init(&deferred->ready, &deferred->blocked);
	if (snap)
		WRITE_ONCE(snap->wakes, true);
	blk_start_plug(&plug);
	list_for_each_entry_safe(write, next, &deferred->blocked, list) {
		enum release how = release(vol, write);

		if (how == RELEASE_AFTER_READS)
			continue;
		if (how == RELEASE_GO && !write->crowd) {
			list_move_tail(&write->list, &to_send);
			nr_to_send++;
			continue;
		}
		if (how == RELEASE_GO)
			origin_next(&vol->origin, write->bio);
		list_del(&write->list);
		gone_from(deferred, write, gone);
	}
	blk_finish_plug(&plug);
	sender_add(&vol->sender, &to_send, nr_to_send);
	if (snap)
		WRITE_ONCE(snap->wakes, !list_empty(&deferred->blocked));
}

bool release_writes(struct volume *vol)
{
	struct deferred *deferred = &vol->deferred;
	struct gone gone = {};
	struct write *write;

	while ((write = sender_take(&vol->sender)))
		gone_from(deferred, write, &gone);
	if (!list_empty(&deferred->ready) || !list_empty(&deferred->blocked))
		release_ready(vol, &gone);
	if (!gone.nr_writes && !gone.nr_requests)
		return false;
	deferred_gone(deferred, &gone);
	return true;
}
