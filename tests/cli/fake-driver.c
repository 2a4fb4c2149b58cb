// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that keeps state, and one volume: preloaded before fake-kernel.so. What it has is in the folder FAKE_MACHINE:
 *
 * origin     the volume, /dev/fake-origin
 * number     its device number, as sysfs has it
 * mounts     /proc/self/mountinfo; the volume is mounted on the folder `mount` here
 * device     minor 7, if there is one: state, error, number in the series, series in hex, COW file; one line
 * snapshot   the volume at the last switch to snapshot mode: /dev/datto7, and what changes are told from
 * snapshot-<series>-<number>  each of them, for the tests to look at
 * fail       optional: number of an ioctl, the errno that it fails with, and perhaps a path: as long as that is there
 * full       optional: reads of the snapshot fail, and the device is then found full
 *
 * FAKE_FORGETS set: a list that is closed is empty, whatever was counted before.
 * FAKE_NO_DRIVER set: there is no /proc/datto-info. FAKE_DEVICE_ORIGIN: what minor 7 tracks, instead of the volume.
 *
 * Each ioctl that changes something is one of the changes that FAKE_KILL_AT of fake-kernel.c counts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ORIGIN "/dev/fake-origin"
#define BLOCK 4096
#define SECTION_BLOCKS 4096

struct device {
	int state, error;
	unsigned long long seqid;
	char series[33];
	char cow[512]; /* from the root of the filesystem */
};

static const char *in_machine(const char *name)
{
	static char paths[8][1024];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", getenv("FAKE_MACHINE"), name);
	return path;
}

static int load_device(struct device *device)
{
	FILE *file = fopen(in_machine("device"), "r");
	int fields;

	if (!file)
		return 0;
	fields = fscanf(file, "%d %d %llu %32s %511s", &device->state, &device->error,
			&device->seqid, device->series, device->cow);
	fclose(file);
	return fields == 5;
}

static void store_device(const struct device *device)
{
	FILE *file = fopen(in_machine("device"), "w");

	fprintf(file, "%d %d %llu %s %s\n", device->state, device->error, device->seqid,
		device->series, device->cow);
	fclose(file);
}

/* Counts the blocks that are not as in the snapshot; their index entries go to a COW file. */
static unsigned long long compare_with_snapshot(FILE *cow)
{
	static const uint64_t changed = 1;
	char now[BLOCK], then[BLOCK];
	FILE *origin = fopen(in_machine("origin"), "r");
	FILE *snapshot = fopen(in_machine("snapshot"), "r");
	unsigned long long count = 0;

	for (long block = 0; origin && snapshot && fread(now, BLOCK, 1, origin) == 1; block++) {
		if (fread(then, BLOCK, 1, snapshot) != 1 || !memcmp(now, then, BLOCK))
			continue;
		count++;
		if (!cow)
			continue;
		fseek(cow, BLOCK + 8 * block, SEEK_SET);
		fwrite(&changed, 8, 1, cow);
	}
	if (origin)
		fclose(origin);
	if (snapshot)
		fclose(snapshot);
	return count;
}

static void copy_origin(const char *name)
{
	char data[BLOCK];
	FILE *from = fopen(in_machine("origin"), "r"), *to = fopen(in_machine(name), "w");

	while (fread(data, BLOCK, 1, from) == 1)
		fwrite(data, BLOCK, 1, to);
	fclose(from);
	fclose(to);
}

static void take_snapshot(const struct device *device)
{
	char name[80];

	copy_origin("snapshot");
	snprintf(name, sizeof(name), "snapshot-%s-%llu", device->series, device->seqid);
	copy_origin(name);
}

static void series_bytes(const struct device *device, unsigned char *bytes)
{
	for (int i = 0; i < 16; i++)
		sscanf(device->series + 2 * i, "%2hhx", bytes + i);
}

/* The COW file of an incremental that ends: header and index, closed cleanly. */
static void close_cow(const struct device *device)
{
	struct {
		uint32_t magic, flags;
		uint64_t fpos, fsize, seqid;
		unsigned char uuid[16];
		uint64_t version, nr;
	} header = { .magic = 4776, .flags = 3, .seqid = device->seqid, .version = 1 };
	char path[1600];
	struct stat st;
	FILE *cow;

	snprintf(path, sizeof(path), "%s%s", in_machine("mount"), device->cow);
	cow = fopen(path, "w");
	series_bytes(device, header.uuid);
	if (!getenv("FAKE_FORGETS"))
		header.nr = compare_with_snapshot(cow);
	stat(in_machine("origin"), &st);
	header.fsize = BLOCK + 8 * SECTION_BLOCKS *
				       ((st.st_size / BLOCK + SECTION_BLOCKS - 1) / SECTION_BLOCKS);
	fseek(cow, 0, SEEK_SET);
	fwrite(&header, sizeof(header), 1, cow);
	fflush(cow);
	if (ftruncate(fileno(cow), header.fsize))
		abort();
	fclose(cow);
}

static int open_cow(struct device *device, const char *path)
{
	size_t length = strlen(in_machine("mount"));
	FILE *file;

	if (strncmp(path, in_machine("mount"), length)) {
		errno = EINVAL;
		return -1;
	}
	if (!access(path, F_OK)) {
		errno = EPERM;
		return -1;
	}
	file = fopen(path, "w");
	fclose(file);
	snprintf(device->cow, sizeof(device->cow), "%s", path + length);
	return 0;
}

static int fails(unsigned int nr)
{
	FILE *file = fopen(in_machine("fail"), "r");
	unsigned int wanted = 0;
	char path[512] = "/";
	int error = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u %d %511s", &wanted, &error, path) < 2 || wanted != nr ||
	    access(path, F_OK))
		error = 0;
	fclose(file);
	errno = error;
	return error != 0;
}

/* One change, of which the other library takes notice. */
static void step(void)
{
	FILE *file = fopen(in_machine("tick"), "w");

	fclose(file);
	rename(in_machine("tick"), in_machine("tock"));
}

static int answer_info(const struct device *device, unsigned char *bytes)
{
	memset(bytes, 0, 8272);
	*(uint32_t *)bytes = 7;
	*(uint64_t *)(bytes + 8) = device->state;
	*(int32_t *)(bytes + 16) = device->error;
	*(uint64_t *)(bytes + 40) = device->seqid;
	series_bytes(device, bytes + 48);
	strcpy((char *)bytes + 64, device->cow);
	strcpy((char *)bytes + 4160, ORIGIN);
	return 0;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

/* The ioctl with that number. */
static int drive(unsigned int nr, void *argument)
{
	struct device device = { 0 };
	int there = load_device(&device);
	const char *const *paths = argument;

	if (fails(nr))
		return -1;
	if (nr == 8)
		return there ? answer_info(&device, argument) : refuse(ENOENT);
	if (nr == 9) {
		*(int *)argument = there ? 8 : 7;
		return 0;
	}
	step();
	if (nr == 1) {
		if (there)
			return refuse(EBUSY);
		device = (struct device){ .state = 3, .seqid = 1 };
		snprintf(device.series, sizeof(device.series), "%08x%08x%08x%08x", rand(), getpid(),
			 rand(), 7);
		if (open_cow(&device, paths[1]))
			return -1;
		take_snapshot(&device);
	} else if (!there || (nr != 4 && device.error)) {
		return refuse(there ? EINVAL : ENOENT);
	} else if (nr == 4) {
		char path[1600];

		snprintf(path, sizeof(path), "%s%s", in_machine("mount"), device.cow);
		remove(path);
		return remove(in_machine("device"));
	} else if (nr == 5) {
		if (device.state != 3)
			return refuse(EINVAL);
		device.state = 2;
	} else if (nr == 6) {
		struct device old = device;

		if (device.state != 2)
			return refuse(EINVAL);
		if (open_cow(&device, paths[0]))
			return -1;
		close_cow(&old);
		device.state = 3;
		device.seqid++;
		take_snapshot(&device);
	} else {
		return refuse(EOPNOTSUPP);
	}
	store_device(&device);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (((request >> 8) & 0xff) != 0x91)
		return NEXT(ioctl)(fd, request, argument);
	return drive(request & 0xff, argument);
}

static void write_status(void)
{
	struct device device;
	FILE *file = fopen(in_machine("status"), "w");

	fprintf(file, "{\n\t\"version\": \"0.12.1\",\n\t\"devices\": [\n");
	if (load_device(&device)) {
		fprintf(file,
			"\t\t{\n\t\t\t\"minor\": 7,\n\t\t\t\"cow_file\": \"%s\",\n\t\t\t\"block_device\": \"%s\",\n",
			device.cow,
			getenv("FAKE_DEVICE_ORIGIN") ? getenv("FAKE_DEVICE_ORIGIN") : ORIGIN);
		fprintf(file, "\t\t\t\"max_cache\": 1,\n");
		if (device.state < 4)
			fprintf(file,
				"\t\t\t\"seq_id\": %llu,\n\t\t\t\"uuid\": \"%s\",\n\t\t\t\"nr_changed_blocks\": %llu,\n",
				device.seqid, device.series, compare_with_snapshot(NULL));
		if (device.error)
			fprintf(file, "\t\t\t\"error\": %d,\n", device.error);
		fprintf(file, "\t\t\t\"state\": %d\n\t\t}", device.state);
	}
	fprintf(file, "\n\t]\n}\n");
	fclose(file);
}

static const char *redirect(const char *path)
{
	if (!strcmp(path, ORIGIN))
		return in_machine("origin");
	if (!strcmp(path, "/proc/self/mountinfo"))
		return in_machine("mounts");
	if (!strcmp(path, "/sys/class/block/fake-origin/dev"))
		return in_machine("number");
	if (strcmp(path, "/proc/datto-info"))
		return path;
	if (getenv("FAKE_NO_DRIVER"))
		return "/nonexistent/status";
	write_status();
	return in_machine("status");
}

int open(const char *path, int flags, ...)
{
	struct device device;
	va_list list;
	int mode;

	va_start(list, flags);
	mode = va_arg(list, int);
	va_end(list);
	if (!strcmp(path, "/dev/datto7") && !(load_device(&device) && device.state == 3))
		return refuse(ENOENT);
	return NEXT(open)(redirect(path), flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list list;
	int mode;

	va_start(list, flags);
	mode = va_arg(list, int);
	va_end(list);
	return open(path, flags, mode);
}

char *realpath(const char *path, char *resolved)
{
	if (strcmp(path, ORIGIN))
		return NEXT(realpath)(path, resolved);
	return resolved ? strcpy(resolved, path) : strdup(path);
}

ssize_t pread64(int fd, void *data, size_t bytes, off_t offset)
{
	struct stat file, snapshot;
	struct device device;

	if (!fstat(fd, &file) && !stat(in_machine("snapshot"), &snapshot) &&
	    file.st_ino == snapshot.st_ino && !access(in_machine("full"), F_OK) &&
	    load_device(&device)) {
		device.error = -EFBIG;
		store_device(&device);
		return refuse(EIO);
	}
	return NEXT(pread64)(fd, data, bytes, offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
	return pread64(fd, data, bytes, offset);
}
