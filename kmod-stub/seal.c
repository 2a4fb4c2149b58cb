// SPDX-License-Identifier: GPL-2.0-only
/*
 * The seal: a clean record lies in the COW file, and nothing was written to the origin since.
 *
 *   open --> sealed: by the worker, once every held write has gone; writes that come are held
 *   sealed --> open: by the worker, for the first write that is held: the header block is written
 *                    without the record, durably, and only then does the write go
 *   loading --> sealed: a reload found a record that is right; a write that came meanwhile passed,
 *                    and spoils it
 *
 * So a record that is found on disk tells all that was ever written to the origin, as long as this
 * module saw the writes. Writing the header block to break the seal is safe wherever the COW file
 * went: no write has passed that could have made the block somebody else's.
 *
 * dev->seal changes under core_lock, and from and to "sealed" in the tracker's worker only, which
 * alone lets held writes go.
 */
#include <linux/sched/mm.h>
#include "dattobd.h"
#include "record.h"
#include "reads.h"
#include "ring.h"
#include "sections.h"

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

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	dev->seal = seal;
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
}

/*
 * Also on a failed device: the record must not outlive the writes that nobody tracks any more.
 */
static void break_seal(struct dattobd_device *dev)
{
	record_remove(dev);
	pr_dev_debug(dev, "the clean record is removed: the origin is written to");
	WRITE_ONCE(dev->seal_broken, jiffies);
	set_seal(dev, SEAL_OPEN);
	watch_kick(dev);
}

bool seal_let_go(struct dattobd_device *dev)
{
	bool sealed, wanted;
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	sealed = dev->seal == SEAL_WHOLE;
	wanted = dev->seal_open_wanted || !list_empty(&dev->copy_requests) ||
		 !bio_list_empty(&dev->held);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	if (sealed && wanted)
		break_seal(dev);
	return !sealed || wanted;
}

/*
 * The header block is written raw and is an ordinary block of the origin: it is preserved or
 * recorded as if somebody else wrote it. Afterwards no copy and no section is on its way.
 */
static int prepare(struct dattobd_device *dev)
{
	struct core_range range;
	unsigned long flags;
	sector_t sector;
	s64 ret, room = 1;
	u64 block;

	if (!cow_file_map(dev->cow, 0, &block))
		return -EIO;
	sector = block * COW_BLOCK_SECTORS;
	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error;
	if (!ret && dev->snapshot_mode) {
		ret = engine_call(dev->engine, CORE_IS_COPIED, sector, COW_BLOCK_SECTORS, 0);
		room = engine_call(dev->engine, CORE_STAT, CORE_STAT_ROOM, 0, 0);
	} else if (!ret) {
		ret = engine_call(dev->engine, CORE_MARK, sector, COW_BLOCK_SECTORS, 0);
	}
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	if (ret < 0 || !dev->snapshot_mode)
		return min_t(s64, ret, 0);
	if (!ret && room <= 0)
		return -ENOSPC;

	range.sector = cpu_to_le64(sector);
	range.nr_sectors = cpu_to_le64(COW_BLOCK_SECTORS);
	copy_ranges(dev, &range, 1);
	while (!READ_ONCE(dev->error) &&
	       snapshot_reads_overlap(dev->snap, sector, COW_BLOCK_SECTORS))
		snapshot_wait_reads(dev->snap, sector, COW_BLOCK_SECTORS);
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
	raw_spin_lock_irqsave(&dev->core_lock, flags);
	wanted = dev->seal_wanted && dev->seal == SEAL_OPEN && !dev->error &&
		 bio_list_empty(&dev->held);
	dev->seal_wanted = false;
	if (wanted)
		dev->seal = SEAL_MAKING;
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	if (!wanted)
		return;

	err = -EIO;
	if (device_cow_write_begin(dev)) {
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

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	*wanted = true;
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
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
	else if (err && err != -EBUSY && err != -ETIMEDOUT)
		pr_dev_warn(dev, "no clean record could be written to %s: %d",
			    cow_file_path(dev->cow), err);
	return err;
}

int seal_open(struct dattobd_device *dev)
{
	unsigned long flags;
	bool open;
	int err;

	/* An attempt that its caller gave up may not come true in the middle of a transition. */
	raw_spin_lock_irqsave(&dev->core_lock, flags);
	dev->seal_wanted = false;
	open = dev->seal == SEAL_OPEN;
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	if (open)
		return 0;
	err = change(dev, &dev->seal_open_wanted, MAX_SCHEDULE_TIMEOUT);
	dev->seal_open_wanted = false;
	return err;
}
