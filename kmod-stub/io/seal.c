// SPDX-License-Identifier: GPL-2.0-only
/*
 * The seal: a clean record lies in the COW file, and nothing was written to the origin since.
 * The shutter: the filesystem is not mounted here, so that others may mount it.
 *
 *   open --> sealed: by the worker, once every held write has gone; writes that come are held
 *   sealed --> open: by the worker, for the first write that is held: the header block is written
 *                    without the record, durably, and only then does the write go
 *   loading --> sealed: a reload found a record that is right; a write that came meanwhile passed,
 *                    and spoils it
 *
 * So a record that is found on disk tells all that was ever written to the origin, as long as this
 * module saw the writes. It does not see what another host writes, or who has another path to the
 * disk, which they can do without harm only while the filesystem is not mounted here. So as long
 * as it is not, each write is held until it is proved that there was no such write (io/proof.c), and
 * only then may this module write to the COW file's blocks, which might be somebody else's by now.
 *
 *   shut when   the filesystem was unmounted (the pin of the COW file is lost), is found mounted
 *               read-only, or the machine hibernates
 *   open when   it is mounted read-write here, the COW file is pinned, and the proof succeeded
 *
 * dev->seal and dev->shut change under core_lock; from and to "sealed", and to open, in the
 * tracker's worker only, which alone lets held writes go.
 */
#include <linux/sched/mm.h>
#include "dattobd.h"
#include "io/record.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/memory.h"
#include "io/sections.h"

bool seal_take(struct dattobd_device *dev)
{
	if (dev->seal == SEAL_LOADING) {
		dev->seal_spoiled = true;
		return false;
	}
	return true;
}

static void set_seal(struct dattobd_device *dev, enum seal seal)
{
	unsigned long flags;

	core_lock(dev, flags);
	dev->seal = seal;
	core_unlock(dev, flags);
}

bool seal_is_shut(struct dattobd_device *dev)
{
	if (!cow_file_has_filesystem(dev->cow))
		dev->shut = true;
	return dev->shut && !dev->error;
}

void seal_shut(struct dattobd_device *dev)
{
	unsigned long flags;

	core_lock(dev, flags);
	dev->shut = true;
	core_unlock(dev, flags);
}

int seal_begin(struct dattobd_device *dev)
{
	int err = proof_learn(dev, NULL);

	/* It can be tracked while it is mounted here, and not longer. */
	return err == -EXDEV || err == -EOPNOTSUPP ? 0 : err;
}

#define FULL_BACKUP "; a full backup is needed"
#define UNNOTICED ", so a write elsewhere could not be noticed" FULL_BACKUP

static const char *why_unproved(int err)
{
	switch (err) {
	case -ESTALE:
		return "its filesystem was written to elsewhere" FULL_BACKUP;
	case -EXDEV:
		return "the log of its filesystem is on another device" UNNOTICED;
	case -EOPNOTSUPP:
		return "it holds no ext4 or xfs any more" UNNOTICED;
	default:
		return "it could not be read" UNNOTICED;
	}
}

/* Prove that nobody wrote elsewhere, or fail the device. @sealed: nor since the record. */
static int prove(struct dattobd_device *dev, bool sealed)
{
	u64 fingerprint = dev->fingerprint;
	int err = proof_check(dev, sealed ? &fingerprint : NULL);

	if (!err && fingerprint != dev->fingerprint)
		err = -ESTALE;
	if (err)
		device_fail(dev, err == -EXDEV || err == -EOPNOTSUPP ? -ESTALE : err,
			    why_unproved(err));
	return err;
}

int seal_prove(struct dattobd_device *dev)
{
	unsigned long flags;
	bool shut;

	core_lock(dev, flags);
	shut = seal_is_shut(dev);
	core_unlock(dev, flags);
	return shut ? prove(dev, false) : 0;
}

/*
 * Also on a failed device: the record must not outlive the writes that nobody tracks any more. If
 * the proof fails, it is void: what it is tied to has changed.
 */
static void break_seal(struct dattobd_device *dev)
{
	int err = prove(dev, true); /* fails the device, and with its own words */

	if (!err)
		err = record_withdraw(dev);
	if (!err)
		pr_dev_debug(dev, "the clean record is removed: the origin is written to");
	else if (err == -ESTALE)
		device_fail(dev, err, "its COW file was overwritten elsewhere" FULL_BACKUP);
	else
		device_fail(dev, err, "its clean record could not be read" FULL_BACKUP);
	WRITE_ONCE(dev->seal_broken, jiffies);
	set_seal(dev, SEAL_OPEN);
	watch_kick(dev);
}

/* The proof has succeeded: is the filesystem mounted here? */
static void open_shutter(struct dattobd_device *dev)
{
	bool here = compat_bdev_mounted_rw(origin_bdev(dev)) && !watch_hibernating();
	unsigned long flags;

	core_lock(dev, flags);
	if (here && cow_file_has_filesystem(dev->cow))
		dev->shut = false;
	core_unlock(dev, flags);
}

static void look_through_shutter(struct dattobd_device *dev)
{
	bool first = !dev->proved || time_after(jiffies, dev->proved + HZ);

	WRITE_ONCE(dev->proved, jiffies);
	if (first)
		watch_kick(dev); /* it may just be mounted */
	if (!prove(dev, false))
		open_shutter(dev);
}

bool seal_let_go(struct dattobd_device *dev)
{
	bool sealed, shut, wanted;
	unsigned long flags;

	core_lock(dev, flags);
	sealed = dev->seal == SEAL_WHOLE;
	shut = seal_is_shut(dev);
	wanted = dev->seal_open_wanted || !list_empty(&dev->copy_requests) ||
		 !bio_list_empty(&dev->held);
	dev->seal_open_wanted = false;
	core_unlock(dev, flags);
	if (sealed && wanted)
		break_seal(dev);
	else if (shut && wanted)
		look_through_shutter(dev);
	return wanted || !(sealed || shut);
}

/* Preserve or record what these sectors of the origin hold, before they are written raw. */
static int prepare_sectors(struct dattobd_device *dev, sector_t sector, sector_t nr_sectors)
{
	struct core_range range;
	unsigned long flags;
	s64 ret, room = 1;

	if (!dev->snapshot_mode)
		return min_t(s64, room_call(dev, CORE_MARK, sector, nr_sectors, nr_sectors), 0);
	core_lock(dev, flags);
	ret = dev->error;
	if (!ret) {
		ret = engine_ask(dev->engine, CORE_IS_COPIED, sector, nr_sectors, 0, 1);
		room = engine_ask(dev->engine, CORE_STAT, CORE_STAT_ROOM, 0, 0, S64_MAX);
	}
	core_unlock(dev, flags);
	if (ret < 0)
		return ret;
	if (!ret && room <= 0)
		return -ENOSPC;

	range.sector = cpu_to_le64(sector);
	range.nr_sectors = cpu_to_le64(nr_sectors);
	copy_ranges(dev, &range, 1);
	while (!READ_ONCE(dev->error) && snapshot_reads_overlap(dev->snap, sector, nr_sectors))
		snapshot_wait_reads(dev->snap, sector, nr_sectors);
	return 0;
}

/*
 * The header block is written raw and is an ordinary block of the origin, or some pieces of such:
 * it is preserved or recorded as if somebody else wrote it. Afterwards no copy and no section is on
 * its way.
 */
static int prepare(struct dattobd_device *dev)
{
	u64 offset, sector, count, end = COW_HEADER_SIZE / SECTOR_SIZE;
	int err;

	for (offset = 0; offset < end; offset += count) {
		count = min(cow_file_map(dev->cow, offset, &sector), end - offset);
		err = count ? prepare_sectors(dev, sector, count) : -EIO;
		if (err)
			return err;
	}
	if (!dev->snapshot_mode)
		return 0;
	ring_flush(snapshot_ring(dev->snap));
	ring_drain(snapshot_ring(dev->snap));
	return sections_flush(dev);
}

void seal_make(struct dattobd_device *dev)
{
	unsigned long flags;
	bool wanted;
	int err;

	/* From here on every write is held. Those that were held before have gone. */
	core_lock(dev, flags);
	wanted = dev->seal_wanted && dev->seal == SEAL_OPEN && !dev->error &&
		 bio_list_empty(&dev->held);
	dev->seal_wanted = false;
	if (wanted)
		dev->seal = SEAL_MAKING;
	core_unlock(dev, flags);
	if (!wanted)
		return;

	err = proof_check(dev, &dev->fingerprint);
	if (err == -ESTALE)
		device_fail(dev, err, why_unproved(err));
	if (!err)
		err = device_cow_write_begin(dev) ? 0 : -EIO;
	if (!err) {
		err = prepare(dev) ?: record_write(dev);
		device_cow_write_end(dev);
	}
	dev->seal_error = err;
	set_seal(dev, err ? SEAL_OPEN : SEAL_WHOLE);
	if (!err)
		pr_dev_debug(dev, "a clean record is written");
}

static int change(struct dattobd_device *dev, bool *wanted, long timeout)
{
	unsigned long flags;
	int err;

	core_lock(dev, flags);
	*wanted = true;
	core_unlock(dev, flags);
	err = drain_worker(dev, timeout);
	return err ?: READ_ONCE(dev->error);
}

int seal_apply(struct dattobd_device *dev, long timeout)
{
	int err;

	if (READ_ONCE(dev->seal) == SEAL_WHOLE)
		return 0;
	dev->seal_error = -EBUSY;
	err = change(dev, &dev->seal_wanted, timeout);
	if (!err)
		err = dev->seal_error;
	if (err == -ENOSPC)
		pr_dev_warn(dev,
			    "%s has no room for a clean record: it cannot be reloaded, a full backup will be needed",
			    cow_file_path(dev->cow));
	else if (err == -EXDEV)
		pr_dev_warn(dev,
			    "the log of the filesystem of %s is on another device: there is no clean record, a full backup will be needed",
			    dev->origin_path);
	else if (err && err != -EBUSY && err != -ETIMEDOUT)
		pr_dev_warn(dev, "no clean record could be written to %s: %d",
			    cow_file_path(dev->cow), err);
	return err;
}

void seal_admit(struct dattobd_device *dev)
{
	unsigned long flags;

	core_lock(dev, flags);
	dev->seal_open_wanted = dev->shut;
	core_unlock(dev, flags);
	if (READ_ONCE(dev->shut))
		queue_work(dev->wq, &dev->work);
}

int seal_open(struct dattobd_device *dev)
{
	unsigned long flags;
	bool open;
	int err;

	/* An attempt that its caller gave up may not come true in the middle of a transition. */
	core_lock(dev, flags);
	dev->seal_wanted = false;
	open = dev->seal == SEAL_OPEN && !seal_is_shut(dev);
	core_unlock(dev, flags);
	if (open)
		return 0;
	err = change(dev, &dev->seal_open_wanted, MAX_SCHEDULE_TIMEOUT);
	dev->seal_open_wanted = false;
	return err;
}
