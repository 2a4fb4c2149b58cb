// SPDX-License-Identifier: GPL-2.0-only
/* /proc/datto-info: every device, as JSON, to the byte as its readers know it (ABI.md, D). */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include "dattobd.h"

#define PROC_NAME "datto-info"

/* What is known of a device once it is verified. */
static void show_counters(struct seq_file *m, struct dattobd_device *dev)
{
	struct device_counters counters;

	device_counters(dev, &counters);
	seq_printf(m, "\t\t\t\"fallocate\": %llu,\n", dev->fallocate_mib * 1024 * 1024);
	seq_printf(m, "\t\t\t\"cow_size_current\": %llu,\n", counters.fsize);
	seq_printf(m, "\t\t\t\"seq_id\": %llu,\n", counters.seqid);
	seq_printf(m, "\t\t\t\"uuid\": \"%*phN\",\n", COW_UUID_SIZE, dev->uuid);
	if (counters.version) {
		seq_printf(m, "\t\t\t\"version\": %llu,\n", counters.version);
		seq_printf(m, "\t\t\t\"nr_changed_blocks\": %llu,\n", counters.nr_changed);
	}
}

static void show_auto_expand(struct seq_file *m, const struct auto_expand *auto_expand)
{
	seq_puts(m, "\t\t\t\"auto_expand\": {\n");
	seq_printf(m, "\t\t\t\t\"step_size_mib\": %llu,\n", auto_expand->step_mib);
	seq_printf(m, "\t\t\t\t\"reserved_space_mib\": %llu\n", auto_expand->reserved_mib);
	seq_puts(m, "\t\t\t},\n");
}

static void show_device(struct seq_file *m, struct dattobd_device *dev)
{
	enum dattobd_state state = device_state(dev);
	bool verified = !READ_ONCE(dev->unverified);
	int error = READ_ONCE(dev->error);

	seq_puts(m, "\t\t{\n");
	seq_printf(m, "\t\t\t\"minor\": %u,\n", dev->minor);
	seq_printf(m, "\t\t\t\"cow_file\": \"%s\",\n",
		   verified ? cow_file_path(dev->cow) : dev->cow_name);
	seq_printf(m, "\t\t\t\"block_device\": \"%s\",\n",
		   verified ? dev->origin_path : dev->origin_name);
	seq_printf(m, "\t\t\t\"max_cache\": %llu,\n", device_cache_bytes(dev));
	if (verified)
		show_counters(m, dev);
	if (dev->auto_expand.configured)
		show_auto_expand(m, &dev->auto_expand);
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
