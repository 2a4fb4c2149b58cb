// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reload: tracking goes on from the checkpoint in a COW file, before its filesystem is mounted
 * read-write.
 *
 * Writes are seen from before the checkpoint is read (CLEAN_LOADING), so that none falls between
 * the two. Whatever is wrong with the checkpoint, the device exists in the failed state, with
 * its reason: boot scripts expect that reload succeeds.
 */
#include <linux/slab.h>
#include "control/device.h"
#include "control/devices.h"
#include "control/reload.h"
#include "control/state.h"
#include "cow/map.h"
#include "cow/open.h"
#include "io/handover.h"
#include "io/intercept.h"
#include "io/proof.h"
#include "io/checkpoint.h"
#include "io/snapshot.h"
#include "params.h"

#define NEXT_FILES_MAX 8 /* that a reload goes on to, from one to the next */

static const struct refusal {
	int error;
	const char *why;
} refusals[] = {
	[CORE_REFUSAL_BAD_MAGIC] = { -EINVAL, "the file is no COW file" },
	[CORE_REFUSAL_NOT_CLEAN] = { -EUCLEAN, "no checkpoint was written to the file" },
	[CORE_REFUSAL_WRONG_MODE] = { -EMEDIUMTYPE, "it is of the other mode" },
	[CORE_REFUSAL_RESIZED] = { -ERANGE, "the origin was resized" },
	[CORE_REFUSAL_MOVED] = { -EREMCHG, "the file lies elsewhere on the origin than it did" },
	[CORE_REFUSAL_FOREIGN] = { -ESTALE, "the filesystem was changed while nobody tracked it" },
	[CORE_REFUSAL_DAMAGED] = { -EBADMSG, "the checkpoint is damaged" },
	[CORE_REFUSAL_OUTDATED] = { -EUCLEAN, "the checkpoint is of an older module" },
};

static void refuse_reload(struct dattobd_device *dev, const char *cow, int error, const char *why)
{
	pr_dev_err(dev, "cannot go on tracking %s with %s: %s; a full backup is needed: %d",
		   dev->vol.origin.path, cow, why, error);
	WRITE_ONCE(dev->vol.core.error, error);
}

static const char *lookup_error(int err)
{
	switch (err) {
	case -ENOENT:
		return "the file is missing";
	case -ENODEV:
		return "there is no ext4 or xfs filesystem";
	case -EOPNOTSUPP:
		return "the file cannot be reached past its filesystem";
	default:
		return "the file could not be looked up";
	}
}

static const char *load_error(int err)
{
	switch (err) {
	case -EXDEV:
		return "the log of its filesystem is on another device";
	case -EOPNOTSUPP:
		return "there is no ext4 or xfs filesystem";
	default:
		return "the checkpoint could not be read";
	}
}

/* The core of the device, which knows nothing yet. */
static int create_core(struct dattobd_device *dev)
{
	struct engine *engine = engine_create();
	s64 ret;

	if (IS_ERR(engine))
		return PTR_ERR(engine);
	ret = wasm_init(engine, dev->vol.core.nr_sectors, device_cache_bytes(dev),
			dev->vol.core.snapshot_mode ? CORE_MODE_SNAPSHOT : CORE_MODE_INCREMENTAL);
	if (!ret)
		ret = wasm_regions_set(engine, (u64)region_size * MIB / COW_BLOCK_SIZE);
	if (ret) {
		engine_destroy(engine);
		return ret;
	}
	dev->vol.core.engine = engine;
	return 0;
}

/* By how much the file of a snapshot had grown is not known: see adopt(). */
static int start_disk(struct dattobd_device *dev)
{
	s64 position = wasm_stat(dev->vol.core.engine, CORE_STAT_FPOS);
	struct snapshot *snap;

	if (position < 0 || !dev->vol.core.snapshot_mode)
		return min_t(s64, position, 0);
	snap = snapshot_create(&dev->vol, dev->vol.cow, position);
	if (IS_ERR(snap))
		return PTR_ERR(snap);
	dev->vol.snap = snap;
	dev->publish_wanted = true;
	return handover_keep(&dev->vol.core, dev->vol.cow);
}

static bool has_data_area(struct dattobd_device *dev)
{
	s64 index = wasm_stat(dev->vol.core.engine, CORE_STAT_DATA_OFFSET);

	return index >= 0 && cow_file_bytes(dev->vol.cow) > (u64)index;
}

static void adopt(struct dattobd_device *dev)
{
	__le64 uuid[] = {
		cpu_to_le64(wasm_value(dev->vol.core.engine, CORE_STAT_UUID_LOW)),
		cpu_to_le64(wasm_value(dev->vol.core.engine, CORE_STAT_UUID_HIGH)),
	};

	static_assert(sizeof(uuid) == COW_UUID_SIZE);
	memcpy(dev->uuid, uuid, COW_UUID_SIZE);
	/* The next snapshot takes as much; once it is cut, a file does not show it. */
	if (has_data_area(dev))
		dev->fallocate_mib =
			max_t(s64, wasm_stat(dev->vol.core.engine, CORE_STAT_FSIZE), 0) >> 20;
	/* Nor does a snapshot's, by how much it had grown: all of it, at most. */
	dev->growth.from = dev->vol.core.snapshot_mode;
	dev->growth.masked_end = dev->vol.core.snapshot_mode ? cow_file_end(dev->vol.cow) : 0;
}

/* From here on the first write is deferred. Return: false if one came too early. */
static bool mark_loaded(struct dattobd_device *dev)
{
	unsigned long flags;
	bool loaded;

	core_lock(&dev->vol.core, flags);
	loaded = !dev->vol.clean.spoiled;
	if (loaded)
		dev->vol.clean.state = dev->vol.live.on ? CLEAN_NONE : CLEAN_VALID;
	core_unlock(&dev->vol.core, flags);
	return loaded;
}

/*
 * The checkpoint of a smaller origin is as good as ever for what that had; what the origin has
 * grown by counts as changed when the next snapshot is made (control/grow_origin.c). Return: false
 * if it was larger.
 */
static bool take_old_size(struct dattobd_device *dev)
{
	u64 nr_sectors = le64_to_cpup(dev->vol.clean.clean_header + CORE_RECORD_NR_SECTORS_OFFSET);

	if (!nr_sectors || nr_sectors >= dev->vol.core.nr_sectors)
		return false;
	pr_dev_info(dev, "%s has grown from %llu to %llu sectors", dev->vol.origin.path, nr_sectors,
		    (u64)dev->vol.core.nr_sectors);
	core_drop_engine(&dev->vol.core);
	WRITE_ONCE(dev->vol.core.nr_sectors, nr_sectors);
	return true;
}

/*
 * A snapshot is not there any more after a crash, but what changed since is known. Return: false if
 * none was asked for.
 */
static bool take_as_incremental(struct dattobd_device *dev)
{
	if (!dev->vol.core.snapshot_mode)
		return false;
	core_drop_engine(&dev->vol.core);
	WRITE_ONCE(dev->vol.core.snapshot_mode, false);
	return true;
}

/* Return: as checkpoint_read(). */
static int load_checkpoint(struct dattobd_device *dev, s64 *added)
{
	return create_core(dev)						     ?:
		       proof_learn(&dev->vol, &dev->vol.shutter.fingerprint) ?:
		       checkpoint_read(&dev->vol, added);
}

/*
 * That the file was cut to its index may not have come to its place on disk before the machine went
 * down, but only to the journal. A checkpoint of snapshot mode shows that it was not cut.
 */
static int clip_cow_file(struct dattobd_device *dev, bool crashed)
{
	s64 bytes = wasm_stat(dev->vol.core.engine, CORE_STAT_NEEDED_BYTES);
	s64 index = wasm_stat(dev->vol.core.engine, CORE_STAT_DATA_OFFSET);
	bool clip;

	if (bytes < 0 || index < 0)
		return min(bytes, index);
	clip = bytes == index && cow_file_bytes(dev->vol.cow) > (u64)index;
	if (crashed || clip) {
		cow_file_allow_longer(dev->vol.cow);
		dev->cut_wanted = true;
	}
	return clip ? cow_file_clip(dev->vol.cow, index) : 0;
}

/* A script may be older than the last transition: then its mode is that of before. */
static void take_other_mode(struct dattobd_device *dev)
{
	core_drop_engine(&dev->vol.core);
	WRITE_ONCE(dev->vol.core.snapshot_mode, !dev->vol.core.snapshot_mode);
}

/*
 * @next: the file before has named it
 *
 * Return: 0, %CORE_REFUSAL_CONTINUED, or after a refusal -errno.
 */
static int load_file(struct dattobd_device *dev, const char *cow, bool next)
{
	struct cow_file *file =
		cow_file_find(cow, origin_bdev(&dev->vol.origin), dev->vol.origin.path);
	s64 added;
	int ret;

	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		refuse_reload(dev, cow, ret, lookup_error(ret));
		return ret;
	}
	dev->vol.cow = file;
	ret = load_checkpoint(dev, &added);
	if (ret == CORE_REFUSAL_CONTINUED)
		return ret;
	if (ret == CORE_REFUSAL_WRONG_MODE && next) {
		take_other_mode(dev);
		ret = load_checkpoint(dev, &added);
	}
	if (ret == CORE_REFUSAL_CRASHED && take_as_incremental(dev))
		ret = load_checkpoint(dev, &added);
	if (ret == CORE_REFUSAL_RESIZED && take_old_size(dev))
		ret = load_checkpoint(dev, &added);
	if (!ret && next)
		ret = core_give(&dev->vol.core, dev->vol.clean.former_header, COW_HEADER_SIZE,
				wasm_header_follow);
	if (ret > 0 && ret < (int)ARRAY_SIZE(refusals)) {
		refuse_reload(dev, cow, refusals[ret].error, refusals[ret].why);
		return refusals[ret].error;
	}
	if (!ret && !dev->vol.core.snapshot_mode)
		ret = clip_cow_file(dev, added >= 0);
	if (!ret)
		ret = start_disk(dev);
	if (!ret && added >= 0)
		live_loaded(&dev->vol, added);
	if (ret) {
		refuse_reload(dev, cow, ret, load_error(ret));
		return ret;
	}
	adopt(dev);
	if (!mark_loaded(dev)) {
		checkpoint_remove(&dev->vol); /* it does not know of that write */
		refuse_reload(dev, cow, -EAGAIN, "the origin was written to meanwhile");
		return -EAGAIN;
	}
	return 0;
}

/* Leave a file that names the next one. Return: its path, to be freed; NULL without memory. */
static char *leave_file(struct dattobd_device *dev)
{
	const char *path = dev->vol.clean.clean_header + CORE_NEXT_FILE_PATH_OFFSET;
	struct cow_file *cow = dev->vol.cow;
	unsigned long flags;
	char *next = kstrndup(path, CORE_NEXT_FILE_PATH_BYTES - 1, GFP_KERNEL);

	memcpy(dev->vol.clean.former_header, dev->vol.clean.clean_header, COW_HEADER_SIZE);
	core_drop_engine(&dev->vol.core);
	core_lock(&dev->vol.core, flags);
	dev->vol.cow = NULL;
	core_unlock(&dev->vol.core, flags);
	if (next)
		pr_dev_info(dev, "tracking went on from %s to %s", cow_file_path(cow), next);
	cow_file_release(cow);
	return next;
}

/* Return: 0, or after a refusal -errno. */
static int load_device(struct dattobd_device *dev, const char *cow)
{
	int ret = load_file(dev, cow, false), nr;
	char *next = NULL, *before;

	for (nr = 0; ret == CORE_REFUSAL_CONTINUED && nr < NEXT_FILES_MAX; nr++) {
		before = next;
		next = leave_file(dev);
		kfree(before);
		ret = next ? load_file(dev, next, true) : -ENOMEM;
		if (!next)
			refuse_reload(dev, cow, ret, "there is no memory");
	}
	if (ret == CORE_REFUSAL_CONTINUED) {
		ret = -ELOOP;
		refuse_reload(dev, cow, ret, "too many files name the next one");
	}
	kfree(next);
	return ret;
}

/* @lost: a snapshot was asked for */
static void say_goes_on(struct dattobd_device *dev, bool lost)
{
	const struct live *live = &dev->vol.live;

	if (live->on)
		pr_dev_info(dev,
			    "goes on tracking %s with %s after a crash%s: %llu blocks more (%llu MiB) count as changed",
			    dev->vol.origin.path, cow_file_path(dev->vol.cow),
			    lost ? ", in incremental mode, without the snapshot" : "", live->added,
			    live->added * COW_BLOCK_SIZE / MIB);
	else
		pr_dev_info(dev, "goes on tracking %s with %s", dev->vol.origin.path,
			    cow_file_path(dev->vol.cow));
}

/* What a failed load leaves: names and an error. */
static void strip(struct dattobd_device *dev)
{
	struct cow_file *cow = dev->vol.cow;

	origin_remove(&dev->vol.origin);
	worker_flush(&dev->vol);
	intercept_disable();
	if (dev->vol.snap)
		snapshot_close(dev->vol.snap);
	device_drop_snapshot(dev);
	core_drop_engine(&dev->vol.core);
	dev->vol.cow = NULL;
	cow_file_release(cow);
	device_unclaim(dev);
}

/* Return: the phase that this leads to. */
static enum phase track(struct dattobd_device *dev, const char *cow)
{
	int err = device_claim(dev);

	if (err) {
		refuse_reload(dev, cow, err, "another minor tracks this origin already");
		return PHASE_REFUSED;
	}
	err = intercept_enable(origin_bdev(&dev->vol.origin));
	if (err) {
		device_unclaim(dev);
		refuse_reload(dev, cow, err, "writes cannot be intercepted");
		return PHASE_REFUSED;
	}
	dev->vol.clean.state = CLEAN_LOADING;
	device_set_phase(dev, PHASE_LOADING);
	origin_add(&dev->vol.origin);
	if (!load_device(dev, cow))
		return PHASE_RELOADED;
	strip(dev);
	return PHASE_REFUSED;
}

int reload(unsigned int minor, const char *origin, const char *cow, u64 cache_bytes,
	   bool snapshot_mode)
{
	struct dattobd_device *dev = device_new(minor, origin, false);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	dev->origin_name = kstrdup(origin, GFP_KERNEL);
	dev->cow_name = kstrdup(cow, GFP_KERNEL);
	if (!dev->origin_name || !dev->cow_name) {
		device_free(dev);
		return -ENOMEM;
	}
	dev->cache_bytes = cache_bytes;
	dev->vol.core.snapshot_mode = snapshot_mode;
	device_set_phase(dev, track(dev, cow));
	device_enlist(dev, true);
	if (!dev->vol.core.error) {
		say_goes_on(dev, snapshot_mode && !dev->vol.core.snapshot_mode);
		shutter_look_soon(&dev->vol);
	}
	return 0;
}
