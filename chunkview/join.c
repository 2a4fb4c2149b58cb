// SPDX-License-Identifier: Apache-2.0
/* A folder of chunks as one read-only file, which a restore reads, mounts or copies. */
#include "chunkview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VOLUME_NAME "volume"
#define VOLUME_INODE 2
#define NO_CHUNK UINT64_MAX

/* One request runs at a time: nothing is locked. */
struct join {
	int folder;
	const struct geometry *geometry;
	/* The chunk that is open: restores read in order. */
	uint64_t chunk;
	int fd;
};

static struct join *join_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static void fill_attributes(const struct join *join, fuse_ino_t inode, struct stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	stat->st_ino = inode;
	if (inode == FUSE_ROOT_ID) {
		stat->st_mode = S_IFDIR | 0500;
		stat->st_nlink = 2;
		return;
	}
	stat->st_mode = S_IFREG | 0400;
	stat->st_nlink = 1;
	stat->st_size = join->geometry->volume_bytes;
	stat->st_blocks = (stat->st_size + 511) / 512;
	stat->st_blksize = join->geometry->chunk_bytes;
}

static void join_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = VOLUME_INODE,
					  .attr_timeout = CACHE_SECONDS,
					  .entry_timeout = CACHE_SECONDS };

	if (parent != FUSE_ROOT_ID || strcmp(name, VOLUME_NAME) != 0) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	fill_attributes(join_of(request), VOLUME_INODE, &entry.attr);
	fuse_reply_entry(request, &entry);
}

static void join_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	struct stat stat;

	(void)file;
	fill_attributes(join_of(request), inode, &stat);
	fuse_reply_attr(request, &stat, CACHE_SECONDS);
}

static void join_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
			 struct fuse_file_info *file)
{
	static const char *const names[] = { ".", "..", VOLUME_NAME };
	char entries[256];
	size_t used = 0;

	(void)file;
	if (inode != FUSE_ROOT_ID) {
		fuse_reply_err(request, ENOTDIR);
		return;
	}
	if (size > sizeof(entries))
		size = sizeof(entries);
	for (; offset < 3; offset++) {
		struct stat stat;
		size_t bytes;

		fill_attributes(join_of(request), offset < 2 ? FUSE_ROOT_ID : VOLUME_INODE, &stat);
		bytes = fuse_add_direntry(request, entries + used, size - used, names[offset],
					  &stat, offset + 1);
		if (bytes > size - used)
			break;
		used += bytes;
	}
	fuse_reply_buf(request, entries, used);
}

static void join_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	if (inode != VOLUME_INODE) {
		fuse_reply_err(request, EISDIR);
		return;
	}
	if (!allow_reading(request, file))
		return;
	/* A point never changes. */
	file->keep_cache = 1;
	fuse_reply_open(request, file);
}

/* Opens a chunk. Returns 0 or a positive errno; EIO if its size is wrong. */
static int open_chunk(struct join *join, uint64_t chunk)
{
	unsigned int number = chunk;
	struct stat stat;
	char name[16];

	if (join->chunk == chunk)
		return 0;
	if (join->chunk != NO_CHUNK)
		close(join->fd);
	join->chunk = NO_CHUNK;
	snprintf(name, sizeof(name), "%04x/%02x/%02x", number >> 16, number >> 8 & 0xff,
		 number & 0xff);
	join->fd = openat(join->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (join->fd < 0)
		return errno;
	if (fstat(join->fd, &stat) != 0 ||
	    (uint64_t)stat.st_size != bytes_of_chunk(join->geometry, chunk)) {
		close(join->fd);
		return EIO;
	}
	join->chunk = chunk;
	return 0;
}

static int read_range(struct join *join, char *data, size_t bytes, uint64_t offset)
{
	const uint64_t chunk_bytes = join->geometry->chunk_bytes;

	while (bytes > 0) {
		uint64_t within = offset % chunk_bytes;
		size_t piece = chunk_bytes - within < bytes ? chunk_bytes - within : bytes;
		int error = open_chunk(join, offset / chunk_bytes);

		if (!error)
			error = read_full(join->fd, data, piece, within);
		if (error)
			return error;
		data += piece;
		bytes -= piece;
		offset += piece;
	}
	return 0;
}

static void join_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		      struct fuse_file_info *file)
{
	struct join *join = join_of(request);
	const uint64_t end = join->geometry->volume_bytes;
	char *data;

	(void)inode;
	(void)file;
	if ((uint64_t)offset >= end) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	if (size > end - offset)
		size = end - offset;
	data = malloc(size);
	reply_read(request, data, size, data ? read_range(join, data, size, offset) : ENOMEM);
}

static const struct fuse_lowlevel_ops join_ops = {
	.lookup = join_lookup,
	.getattr = join_getattr,
	.readdir = join_readdir,
	.open = join_open,
	.read = join_read,
};

bool open_join(struct filesystem *filesystem, const char *folder, const struct geometry *geometry)
{
	static struct join join = { .chunk = NO_CHUNK };

	join.geometry = geometry;
	join.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (join.folder < 0)
		return fail("open", folder, strerror(errno));
	*filesystem = (struct filesystem){ .ops = &join_ops, .state = &join };
	return true;
}
