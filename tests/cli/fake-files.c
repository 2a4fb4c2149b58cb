// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes files look like others: preloaded before fake-kernel.so, of which it knows nothing.
 *
 * FAKE_OWNER   user to whom all regular files belong, as on a network filesystem that knows no other
 * FAKE_BLOCK   path of a file that is taken for a block device
 * FAKE_NFS     set: there are exclusive locks only of files that are open for writing
 * FAKE_LINK_ERRNO  there are no hard links: link fails with it
 * FAKE_BUSY    set: that block device is in use, and cannot be opened with O_EXCL
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_block(const struct stat *file)
{
	struct stat block;

	return getenv("FAKE_BLOCK") && !stat(getenv("FAKE_BLOCK"), &block) &&
	       block.st_ino == file->st_ino && block.st_dev == file->st_dev;
}

static void change(struct statx *found)
{
	struct stat file = { .st_ino = found->stx_ino };

	file.st_dev = makedev(found->stx_dev_major, found->stx_dev_minor);
	if (getenv("FAKE_OWNER") && S_ISREG(found->stx_mode))
		found->stx_uid = atoi(getenv("FAKE_OWNER"));
	if (is_block(&file))
		found->stx_mode = S_IFBLK | 0600;
}

long syscall(long number, ...)
{
	va_list list;
	long a[6], result;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	result = NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_statx && !result)
		change((struct statx *)a[4]);
	return result;
}

int flock(int fd, int operation)
{
	if (getenv("FAKE_NFS") && (operation & LOCK_EX) &&
	    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	return NEXT(flock)(fd, operation);
}

int link(const char *from, const char *to)
{
	if (!getenv("FAKE_LINK_ERRNO"))
		return NEXT(link)(from, to);
	errno = atoi(getenv("FAKE_LINK_ERRNO"));
	return -1;
}

int open(const char *path, int flags, ...)
{
	struct stat file;
	va_list list;
	int mode;

	va_start(list, flags);
	mode = va_arg(list, int);
	va_end(list);
	if ((flags & O_EXCL) && getenv("FAKE_BUSY") && !stat(path, &file) && is_block(&file)) {
		errno = EBUSY;
		return -1;
	}
	return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
