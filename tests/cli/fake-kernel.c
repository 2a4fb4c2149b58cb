// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for the driver: preloaded into a tool, it answers for the driver's nodes and makes chosen calls fail.
 *
 * FAKE_DRIVER     set: the control node is there
 * FAKE_CONTROL_ERRNO  opening the control node fails with it
 * FAKE_IOCTL_ERRNO    every ioctl of the driver fails with it
 * FAKE_GROUP      "FAILED TAKEN": what an ioctl for a group answers, beside its errno
 * FAKE_LOG        file to which the ioctls' arguments are appended as text
 * FAKE_RAW_LOG    file to which the ioctls are appended in hex: command, and the bytes of the argument
 * FAKE_STATUS     file that is /proc/datto-info
 * FAKE_SNAPSHOT   file that is /dev/datto7
 * FAKE_INFO       file with what the info ioctl answers
 * FAKE_FREE_MINOR     what the ioctl for a free minor answers
 * FAKE_BAD_READ, FAKE_BAD_WRITE   offset: reads of the snapshot, or any writes, that cover it fail with EIO
 * FAKE_SHORT      set: no read of the snapshot and no write at an offset moves more than 1000 bytes (512 of asynchronous I/O)
 * FAKE_AIO_ERRNO  asynchronous I/O cannot be set up
 * FAKE_CLONE      set: FICLONE works, by copying
 * FAKE_DENIED     path whose opening fails with EACCES, for root, too
 * FAKE_CACHED     set: no file can be opened to be written past the page cache
 * FAKE_INTERRUPT  path; whoever opens it gets SIGINT first
 * FAKE_BAD_DISK   path of a file that cannot be read: EIO
 * FAKE_FULL       number of the write to a file from which on none finds space
 * FAKE_KILL_AT    number of the change to a file (pwrite, asynchronous write, fallocate, fsync, rename, unlink,
 *                 clone) before which the process dies; half of a write is done
 * FAKE_SIGNAL     number of the signal that it gets then, instead of SIGKILL; it may survive it
 * FAKE_STEPS      file that gets the number of those changes when the process ends
 * FAKE_FSYNC_ERRNO, FAKE_HOLE_ERRNO   fsync or fallocate fails with it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-log.h"

#define CONTROL "/dev/datto-ctl"
#define SNAPSHOT "/dev/datto7"
#define STATUS "/proc/datto-info"

#define MODE_AFTER(flags)                      \
	({                                     \
		va_list rest;                  \
		va_start(rest, flags);         \
		int after = va_arg(rest, int); \
		va_end(rest);                  \
		after;                         \
	})
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int fails(const char *variable)
{
	const char *value = getenv(variable);

	if (!value)
		return 0;
	errno = atoi(value);
	return 1;
}

static long nr_steps;

/* A change to a file is about to be made. Returns 1 if it is the last thing that the process does. */
static int is_last_step(void)
{
	const char *value = getenv("FAKE_KILL_AT");

	return ++nr_steps, value && nr_steps == atol(value);
}

static void end(void)
{
	raise(getenv("FAKE_SIGNAL") ? atoi(getenv("FAKE_SIGNAL")) : SIGKILL);
}

static void step(void)
{
	if (is_last_step())
		end();
}

__attribute__((destructor)) static void tell_steps(void)
{
	FILE *file = getenv("FAKE_STEPS") ? fopen(getenv("FAKE_STEPS"), "w") : NULL;

	if (!file)
		return;
	fprintf(file, "%ld\n", nr_steps);
	fclose(file);
}

/* The node itself, or a link to it; it does not exist, so the kernel cannot follow the link. */
static int names_snapshot(const char *path)
{
	char link[64] = "";

	return !strcmp(path, SNAPSHOT) ||
	       (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, SNAPSHOT));
}

static const char *redirect(const char *path)
{
	if (!strcmp(path, CONTROL))
		return getenv("FAKE_DRIVER") ? "/dev/null" : "/nonexistent/control";
	if (getenv("FAKE_SNAPSHOT") && names_snapshot(path))
		return getenv("FAKE_SNAPSHOT");
	if (!strcmp(path, STATUS))
		return getenv("FAKE_STATUS") ? getenv("FAKE_STATUS") : "/nonexistent/status";
	return path;
}

static int is_named(const char *path, const char *variable)
{
	return getenv(variable) && !strcmp(path, getenv(variable));
}

int open(const char *path, int flags, ...)
{
	int mode = MODE_AFTER(flags);

	if (is_named(path, "FAKE_INTERRUPT") || is_named(redirect(path), "FAKE_INTERRUPT"))
		raise(SIGINT);
	if (!strcmp(path, CONTROL) && fails("FAKE_CONTROL_ERRNO"))
		return -1;
	path = redirect(path);
	if (is_named(path, "FAKE_DENIED") ||
	    ((flags & O_DIRECT) && (flags & O_WRONLY) && getenv("FAKE_CACHED"))) {
		errno = EACCES;
		return -1;
	}
	return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int access(const char *path, int mode)
{
	return NEXT(access)(redirect(path), mode);
}

char *realpath(const char *path, char *resolved)
{
	char *target = NEXT(realpath)(path, resolved);

	if (target || !names_snapshot(path))
		return target;
	return resolved ? strcpy(resolved, SNAPSHOT) : strdup(SNAPSHOT);
}

static int answer_info(void *argument)
{
	int fd = NEXT(open)(getenv("FAKE_INFO"), O_RDONLY);
	ssize_t got = fd < 0 ? -1 : NEXT(read)(fd, argument, 8272);

	if (fd >= 0)
		close(fd);
	return got == 8272 ? 0 : -1;
}

/* FICLONE on a filesystem that has none. As with a real one, the target never shrinks before the end. */
static int copy_whole(int target, int source)
{
	static char data[1048576];
	off_t at = 0;
	ssize_t got;

	while ((got = NEXT(pread64)(source, data, sizeof(data), at)) > 0) {
		if (NEXT(pwrite64)(target, data, got, at) != got)
			return -1;
		at += got;
	}
	return got ? -1 : ftruncate(target, at);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;
	struct stat st;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	request &= 0xffffffff;
	if (request == BLKGETSIZE64) {
		if (fstat(fd, &st))
			return -1;
		if (S_ISBLK(st.st_mode))
			return NEXT(ioctl)(fd, request, argument);
		*(uint64_t *)argument = st.st_size;
		return 0;
	}
	if (request == FICLONE)
		step();
	if (request == FICLONE && getenv("FAKE_CLONE"))
		return copy_whole(fd, (int)(intptr_t)argument);
	if (((request >> 8) & 0xff) != 0x91)
		return NEXT(ioctl)(fd, request, argument);
	record(request, argument);
	record_raw(request, argument);
	if ((request & 0xff) >= 12 && getenv("FAKE_GROUP"))
		sscanf(getenv("FAKE_GROUP"), "%lu %lu", (uint64_t *)argument + 3,
		       (uint64_t *)argument + 4);
	if (fails("FAKE_IOCTL_ERRNO"))
		return -1;
	if ((request & 0xff) == 9 && getenv("FAKE_FREE_MINOR"))
		*(int *)argument = atoi(getenv("FAKE_FREE_MINOR"));
	return (request & 0xff) == 8 ? answer_info(argument) : 0;
}

static int covers(const char *variable, off_t offset, size_t bytes)
{
	const char *value = getenv(variable);

	return value && atoll(value) >= offset && atoll(value) < offset + (off_t)bytes;
}

/* The file is the one that a variable names. */
static int is_file(int fd, const char *variable)
{
	struct stat file, named;

	return getenv(variable) && !fstat(fd, &file) && !stat(getenv(variable), &named) &&
	       file.st_ino == named.st_ino && file.st_dev == named.st_dev;
}

static int is_snapshot(int fd)
{
	return is_file(fd, "FAKE_SNAPSHOT");
}

static int is_full(int fd)
{
	const char *value = getenv("FAKE_FULL");
	static long nr_writes;
	struct stat st;

	if (!value || fstat(fd, &st) || !S_ISREG(st.st_mode) || ++nr_writes < atol(value))
		return 0;
	errno = ENOSPC;
	return 1;
}

ssize_t read(int fd, void *data, size_t bytes)
{
	if (is_file(fd, "FAKE_BAD_DISK")) {
		errno = EIO;
		return -1;
	}
	return NEXT(read)(fd, data, bytes);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
	return is_full(fd) ? -1 : NEXT(write)(fd, data, bytes);
}

static size_t shortened(size_t bytes)
{
	return getenv("FAKE_SHORT") && bytes > 1000 ? 1000 : bytes;
}

ssize_t pread64(int fd, void *data, size_t bytes, off_t offset)
{
	if ((covers("FAKE_BAD_READ", offset, bytes) && is_snapshot(fd)) ||
	    is_file(fd, "FAKE_BAD_DISK")) {
		errno = EIO;
		return -1;
	}
	/* Node's own reads of its files are no business of ours. */
	return NEXT(pread64)(fd, data,
			     getenv("FAKE_SHORT") && is_snapshot(fd) ? shortened(bytes) : bytes,
			     offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset) __attribute__((alias("pread64")));

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
	if (covers("FAKE_BAD_WRITE", offset, bytes)) {
		errno = EIO;
		return -1;
	}
	if (is_full(fd))
		return -1;
	if (is_last_step()) {
		NEXT(pwrite64)(fd, data, bytes / 2, offset);
		end();
	}
	return NEXT(pwrite64)(fd, data, shortened(bytes), offset);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
	__attribute__((alias("pwrite64")));

/* Whether one of a list of reads and writes fails; errno says why. */
static int refuses(const struct iocb *one, int is_read)
{
	if (!is_read && is_full(one->aio_fildes))
		return 1;
	errno = EIO;
	if (!is_read)
		return covers("FAKE_BAD_WRITE", one->aio_offset, one->aio_nbytes);
	return is_file(one->aio_fildes, "FAKE_BAD_DISK") ||
	       (covers("FAKE_BAD_READ", one->aio_offset, one->aio_nbytes) &&
		is_snapshot(one->aio_fildes));
}

/* What is begun of the list before one that fails. */
static long submit(long context, long nr, struct iocb **list)
{
	for (long i = 0; i < nr; i++) {
		struct iocb *one = list[i];
		int is_read = one->aio_lio_opcode == IOCB_CMD_PREAD;

		if (refuses(one, is_read))
			return i ? NEXT(syscall)(SYS_io_submit, context, i, list) : -1;
		if (getenv("FAKE_SHORT"))
			one->aio_nbytes = 512;
		if (!is_read && is_last_step()) {
			one->aio_nbytes /= 2;
			long begun = NEXT(syscall)(SYS_io_submit, context, i + 1, list);

			return end(), begun;
		}
	}
	return NEXT(syscall)(SYS_io_submit, context, nr, list);
}

long syscall(long number, ...)
{
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_io_setup && fails("FAKE_AIO_ERRNO"))
		return -1;
	if (number == SYS_io_submit)
		return submit(a[0], a[1], (struct iocb **)a[2]);
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int fsync(int fd)
{
	if (fd > STDERR_FILENO)
		step();
	/* Standard output is synced at exit. */
	return fd > STDERR_FILENO && fails("FAKE_FSYNC_ERRNO") ? -1 : NEXT(fsync)(fd);
}

int rename(const char *from, const char *to)
{
	step();
	return NEXT(rename)(from, to);
}

int unlink(const char *path)
{
	step();
	return NEXT(unlink)(path);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	step();
	return fails("FAKE_HOLE_ERRNO") ? -1 : NEXT(fallocate)(fd, mode, offset, bytes);
}
