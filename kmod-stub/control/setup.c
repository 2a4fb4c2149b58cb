// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first snapshot of origins that are not tracked yet: the steps of one, see control/switch.h.
 *
 * Writes are seen from before the switch on, and pass, as while a checkpoint is loaded: so that
 * several devices begin at one instant.
 */
#include <linux/uuid.h>
#include "control/destroy.h"
#include "control/devices.h"
#include "control/freeze.h"
#include "control/request.h"
#include "control/setup.h"
#include "control/state.h"
#include "control/switch.h"
#include "cow/file.h"
#include "io/handover.h"
#include "io/intercept.h"
#include "io/snapshot.h"
#include "killable.h"

static int prepare_new(struct snapshot_switch *s)
{
	const struct request_member *member = s->member;
	struct dattobd_device *dev = device_new(member->minor, member->origin, true);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	s->dev = dev;
	s->seqid = 1;
	generate_random_uuid(dev->uuid);
	dev->cache_bytes = member->cache_bytes;
	err = device_check_thawed(dev);
	if (!err)
		err = epoch_create(dev, member->cow, member->mib, device_cache_bytes(dev), s->seqid,
				   &s->epoch);
	if (err)
		goto free;
	err = handover_mask_cow(s->epoch.engine, s->epoch.cow);
	if (!err)
		err = intercept_enable(origin_bdev(&dev->vol.origin));
	if (!err)
		return 0;
	epoch_discard(&s->epoch);
free:
	device_free(dev);
	return err;
}

static int make_new_ready(struct snapshot_switch *s)
{
	s->dev->vol.clean.state = CLEAN_LOADING;
	device_set_phase(s->dev, PHASE_TRACKING);
	origin_add(&s->dev->vol.origin);
	return 0;
}

static void change_to_first(struct snapshot_switch *s)
{
	epoch_take_over(s->dev, &s->epoch);
	s->dev->vol.clean.state = CLEAN_NONE;
}

static int settle_new(struct snapshot_switch *s)
{
	return device_drain_old_writes(s->dev) ?: shutter_begin(&s->dev->vol);
}

static void undo_new(struct snapshot_switch *s)
{
	struct dattobd_device *dev = s->dev;

	request_ignore_kill();
	if (dev->vol.cow) {
		transition_dismantle(dev, false);
		return;
	}
	if (dev->phase == PHASE_TRACKING) {
		origin_remove(&dev->vol.origin);
		worker_flush(&dev->vol);
	}
	intercept_disable();
	epoch_discard(&s->epoch);
	device_free(dev);
}

static int finish_new(struct snapshot_switch *s)
{
	struct dattobd_device *dev = s->dev;
	int err = snapshot_publish(dev->vol.snap);

	if (err) {
		undo_new(s);
		return err;
	}
	device_enlist(dev, true);
	live_want(&dev->vol);
	shutter_look_soon(&dev->vol);
	pr_dev_debug(dev, "snapshot 1 of %s, COW file %s", dev->vol.origin.path,
		     cow_file_path(dev->vol.cow));
	return 0;
}

static const struct switch_kind first_snapshot = {
	.prepare = prepare_new,
	.make_ready = make_new_ready,
	.change = change_to_first,
	.settle = settle_new,
	.finish = finish_new,
	.undo = undo_new,
	.is_new = true,
};

/* Is an origin named twice? What cannot be looked up fails later, with its errno. */
static int check_origins(struct client_request *request)
{
	dev_t numbers[DATTOBD_GROUP_MAX] = {};
	unsigned int i, j;

	for (i = 0; i < request->nr_members; i++) {
		if (compat_lookup_bdev(request->members[i].origin, &numbers[i]))
			numbers[i] = 0;
		for (j = 0; j < i; j++) {
			if (!numbers[i] || numbers[j] != numbers[i])
				continue;
			request->failed = request->members[i].index;
			return -EINVAL;
		}
	}
	return 0;
}

int transition_setup(struct client_request *request)
{
	unsigned int i;
	int err;

	for (i = 0; i < request->nr_members; i++) {
		if (devices[request->members[i].minor]) {
			request->failed = request->members[i].index;
			return -EBUSY;
		}
	}
	err = request->nr_members > 1 ? check_origins(request) : 0;
	return err ?: switch_to_snapshots(request, &first_snapshot);
}
