// SPDX-License-Identifier: GPL-2.0-only
/*
 * Index sections between the core's memory and the COW file. The core cannot wait for a disk: it
 * says which section it misses and, when asked for it, what must be read or written first.
 * Sections travel through a bounce buffer, so that core_lock is never held over I/O.
 */
#include "sections.h"

struct section_io {
	u64 section;
	u64 offset; /* in the COW file, bytes */
	void *memory; /* the section's slot in the core */
};

/*
 * Ask for a section (CORE_SECTION_REQUEST) or a limit (CORE_SET_CACHE); a section that must be
 * written back first is copied to the bounce buffer while the lock is held.
 */
static s64 request(struct dattobd_device *dev, enum core_export what, u64 value,
		   struct section_io *io)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?: engine_call(dev->engine, what, value, 0, 0);
	if (ret > CORE_SECTION_READY) {
		io->section = engine_call(dev->engine, CORE_IO_SECTION, 0, 0, 0);
		io->offset = engine_call(dev->engine, CORE_IO_OFFSET, 0, 0, 0);
		io->memory = engine_memory(dev->engine,
					   engine_call(dev->engine, CORE_IO_ADDRESS, 0, 0, 0),
					   COW_SECTION_BYTES);
		if (!io->memory)
			ret = -ENOTRECOVERABLE;
		else if (ret == CORE_SECTION_WRITE)
			memcpy(dev->section_bounce, io->memory, COW_SECTION_BYTES);
	}
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

static s64 report(struct dattobd_device *dev, enum core_export what, const struct section_io *io)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	if (!dev->snapshot_mode) {
		ret = -ECANCELED; /* the index was dropped meanwhile */
	} else {
		if (what == CORE_SECTION_READ_DONE)
			memcpy(io->memory, dev->section_bounce, COW_SECTION_BYTES);
		ret = engine_call(dev->engine, what, io->section, 0, 0);
	}
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

static s64 step(struct dattobd_device *dev, enum core_export what, u64 value)
{
	struct section_io io;
	s64 asked = request(dev, what, value, &io);
	bool reading = asked == CORE_SECTION_READ;
	int err;

	if (asked <= CORE_SECTION_READY)
		return asked;
	if (!reading && !device_cow_write_begin(dev))
		return dev->error;
	err = cow_file_raw(dev->cow, reading ? REQ_OP_READ : REQ_OP_WRITE, io.offset,
			   dev->section_bounce, COW_SECTION_BYTES);
	if (!reading)
		device_cow_write_end(dev);
	if (err)
		return err;
	err = report(dev, reading ? CORE_SECTION_READ_DONE : CORE_SECTION_WRITE_DONE, &io);
	return err ?: asked;
}

/* Hand out the next dirty section from @from on, with its content. */
static s64 next_dirty(struct dattobd_device *dev, u64 from, struct section_io *io)
{
	unsigned long flags;
	s64 ret, nr_sections;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	nr_sections = engine_call(dev->engine, CORE_STAT, CORE_STAT_NR_SECTIONS, 0, 0);
	ret = dev->error ?: engine_call(dev->engine, CORE_NEXT_DIRTY_SECTION, from, 0, 0);
	if (ret >= 0 && ret < nr_sections) {
		io->section = ret;
		io->offset = engine_call(dev->engine, CORE_IO_OFFSET, 0, 0, 0);
		io->memory = engine_memory(dev->engine,
					   engine_call(dev->engine, CORE_IO_ADDRESS, 0, 0, 0),
					   COW_SECTION_BYTES);
		if (io->memory)
			memcpy(dev->section_bounce, io->memory, COW_SECTION_BYTES);
		else
			ret = -ENOTRECOVERABLE;
	} else if (ret >= 0) {
		ret = -ENODATA;
	}
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

int sections_flush(struct dattobd_device *dev)
{
	struct section_io io;
	s64 ret = 0;

	mutex_lock(&dev->sections_lock);
	while (ret >= 0) {
		ret = next_dirty(dev, ret, &io);
		if (ret < 0)
			break;
		ret = cow_file_raw(dev->cow, REQ_OP_WRITE, io.offset, dev->section_bounce,
				   COW_SECTION_BYTES);
		if (!ret)
			ret = report(dev, CORE_SECTION_WRITE_DONE, &io);
		if (!ret)
			ret = io.section + 1;
	}
	mutex_unlock(&dev->sections_lock);
	return ret == -ENODATA ? 0 : ret;
}

static int all_steps(struct dattobd_device *dev, enum core_export what, u64 value)
{
	s64 ret;

	mutex_lock(&dev->sections_lock);
	do {
		ret = step(dev, what, value);
	} while (ret > CORE_SECTION_READY);
	mutex_unlock(&dev->sections_lock);
	return ret;
}

int sections_load(struct dattobd_device *dev, u64 section)
{
	return all_steps(dev, CORE_SECTION_REQUEST, section);
}

static void set_cache(struct work_struct *work)
{
	struct dattobd_device *dev = container_of(work, struct dattobd_device, cache_work);

	dev->cache_error = all_steps(dev, CORE_SET_CACHE, dev->cache_wanted);
}

void sections_init(struct dattobd_device *dev)
{
	mutex_init(&dev->sections_lock);
	INIT_WORK(&dev->cache_work, set_cache);
}

/* By a work, which waits for the disk while its caller may give up. */
int sections_set_cache(struct dattobd_device *dev, u64 bytes)
{
	int err = drain_work(&dev->cache_work, MAX_SCHEDULE_TIMEOUT);

	if (err)
		return err;
	dev->cache_wanted = bytes;
	queue_work(system_unbound_wq, &dev->cache_work);
	return drain_work(&dev->cache_work, MAX_SCHEDULE_TIMEOUT) ?: dev->cache_error;
}
