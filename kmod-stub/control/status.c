// SPDX-License-Identifier: GPL-2.0-only
/* /proc/datto-info: every device, as JSON, to the byte as its readers know it (docs/ABI.md, D). */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include "control/device.h"
#include "control/devices.h"
#include "control/state.h"
#include "control/status.h"

#define PROC_NAME "datto-info"

/* Bytes of the character of UTF-8 that is here, 0 if it is none. */
static unsigned int character(const u8 *s)
{
	static const u32 first[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* of so many bytes */
	unsigned int bytes, i;
	u32 value;

	if (*s < 0x80)
		return 1;
	bytes = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (*s < 0xc0 || *s >= 0xf8)
		return 0;
	value = *s & (0x7f >> bytes);
	for (i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	if (value < first[bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return bytes;
}

/*
 * A name as a string of JSON. A byte that is no UTF-8 becomes U+FFFD; the info ioctl gives it as it
 * is.
 */
static void show_name(struct seq_file *m, const char *key, const char *name)
{
	const u8 *s = name;
	unsigned int bytes;

	seq_printf(m, "\t\t\t\"%s\": \"", key);
	for (; *s; s += max(bytes, 1U)) {
		bytes = character(s);
		if (!bytes)
			seq_puts(m, "\\ufffd");
		else if (*s < 0x20)
			seq_printf(m, "\\u%04x", *s);
		else if (*s == '"' || *s == '\\')
			seq_printf(m, "\\%c", *s);
		else
			seq_write(m, s, bytes);
	}
	seq_puts(m, "\",\n");
}

/* What is known of a device once it is verified. */
static void show_counters(struct seq_file *m, struct dattobd_device *dev)
{
	struct core_counters counters;

	core_counters(&dev->vol.core, &counters);
	seq_printf(m, "\t\t\t\"fallocate\": %llu,\n", dev->fallocate_mib * 1024 * 1024);
	seq_printf(m, "\t\t\t\"cow_size_current\": %llu,\n", counters.fsize);
	seq_printf(m, "\t\t\t\"seq_id\": %llu,\n", counters.seqid);
	seq_printf(m, "\t\t\t\"uuid\": \"%*phN\",\n", COW_UUID_SIZE, dev->uuid);
	if (counters.version) {
		seq_printf(m, "\t\t\t\"version\": %llu,\n", counters.version);
		seq_printf(m, "\t\t\t\"nr_changed_blocks\": %llu,\n", counters.nr_changed);
	}
}

/* What a reload would go on from if the machine crashed at this moment. */
struct checkpoint {
	const char *kind; /* NULL on a failed device */
	bool live; /* then also: */
	unsigned long age; /* seconds */
	u64 bytes, dirty_regions, region_blocks;
};

static struct checkpoint checkpoint_of(struct volume *vol)
{
	struct checkpoint now = { .kind = "none" };
	unsigned long flags;

	core_lock(&vol->core, flags);
	/* After a mount of an XFS, until its first record is written, it could not be loaded. */
	now.live = !vol->core.error && vol->live.on && core_stat(&vol->core, CORE_STAT_WOULD_LOAD);
	if (now.live) {
		now.kind = "live";
		now.age = (jiffies - vol->live.made) / HZ;
		now.bytes = core_stat(&vol->core, CORE_STAT_AREA_BYTES);
		now.dirty_regions = core_stat(&vol->core, CORE_STAT_DIRTY_REGIONS);
		now.region_blocks = core_stat(&vol->core, CORE_STAT_REGION_BLOCKS);
	} else if (vol->clean.state == CLEAN_VALID) {
		now.kind = "clean";
	}
	if (vol->core.error)
		now.kind = NULL;
	core_unlock(&vol->core, flags);
	core_print(&vol->core);
	return now;
}

static void show_checkpoint(struct seq_file *m, const struct checkpoint *now)
{
	if (!now->kind)
		return;
	seq_printf(m, "\t\t\t\"checkpoint\": \"%s\",\n", now->kind);
	if (!now->live)
		return;
	seq_printf(m, "\t\t\t\"checkpoint_age_seconds\": %lu,\n", now->age);
	seq_printf(m, "\t\t\t\"checkpoint_bytes\": %llu,\n", now->bytes);
	seq_printf(m, "\t\t\t\"dirty_regions\": %llu,\n", now->dirty_regions);
	seq_printf(m, "\t\t\t\"region_bytes\": %llu,\n", now->region_blocks * COW_BLOCK_SIZE);
}

static void show_auto_grow(struct seq_file *m, const struct auto_grow *auto_grow)
{
	seq_puts(m, "\t\t\t\"auto_expand\": {\n");
	seq_printf(m, "\t\t\t\t\"step_size_mib\": %llu,\n", auto_grow->step_mib);
	seq_printf(m, "\t\t\t\t\"reserved_space_mib\": %llu\n", auto_grow->reserved_mib);
	seq_puts(m, "\t\t\t},\n");
}

static void show_device(struct seq_file *m, struct dattobd_device *dev)
{
	enum dattobd_state state = device_state(dev);
	bool verified = device_is_verified(state);
	struct checkpoint checkpoint;
	int error;

	seq_puts(m, "\t\t{\n");
	seq_printf(m, "\t\t\t\"minor\": %u,\n", dev->vol.core.minor);
	show_name(m, "cow_file", verified ? cow_file_path(dev->vol.cow) : dev->cow_name);
	show_name(m, "block_device", verified ? dev->vol.origin.path : dev->origin_name);
	seq_printf(m, "\t\t\t\"max_cache\": %llu,\n", device_cache_bytes(dev));
	if (verified)
		show_counters(m, dev);
	if (verified && READ_ONCE(dev->has_frozen))
		seq_printf(m, "\t\t\t\"last_freeze_ms\": %llu,\n", READ_ONCE(dev->last_freeze_ms));
	checkpoint = checkpoint_of(&dev->vol);
	show_checkpoint(m, &checkpoint);
	if (dev->auto_grow.configured)
		show_auto_grow(m, &dev->auto_grow);
	error = READ_ONCE(dev->vol.core.error); /* the core may have failed as it was read */
	if (error)
		seq_printf(m, "\t\t\t\"error\": %d,\n", error);
	seq_printf(m, "\t\t\t\"state\": %u\n", state);
	seq_puts(m, "\t\t}");
}

static int show(struct seq_file *m, void *unused)
{
	const char *separator = "";
	unsigned int minor;

	seq_printf(m, "{\n\t\"version\": \"%s\",\n\t\"devices\": [\n", DATTOBD_VERSION);
	mutex_lock(&devices_lock);
	for (minor = 0; minor < max_snap_devices; minor++) {
		if (!devices[minor])
			continue;
		seq_puts(m, separator);
		show_device(m, devices[minor]);
		separator = ",\n";
	}
	mutex_unlock(&devices_lock);
	seq_puts(m, "\n\t]\n}\n");
	return 0;
}

int status_init(void)
{
	return proc_create_single(PROC_NAME, 0444, NULL, show) ? 0 : -ENOMEM;
}

void status_exit(void)
{
	remove_proc_entry(PROC_NAME, NULL);
}
