/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkview: a volume as a folder of chunks, for engines that back up files.
 *
 * main.c reads the command line, view.c and join.c are the two filesystems, and serve.c runs one until
 * standard input ends.
 *
 * Chunk N is the file AAAA/BB/CC, where AAAABBCC is N in hexadecimal digits: names ascend as offsets do.
 */
#ifndef CHUNKVIEW_H
#define CHUNKVIEW_H

#define FUSE_USE_VERSION 35

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

/* Names have eight digits. */
#define CHUNKS_MAX (UINT64_C(1) << 32)
/* The view never changes while it is mounted. */
#define CACHE_SECONDS 86400.0

struct geometry {
	uint64_t volume_bytes;
	uint32_t chunk_bytes;
	uint64_t nr_chunks;
};

/* A filesystem to serve. */
struct filesystem {
	const struct fuse_lowlevel_ops *ops;
	void *state;
	/* Its requests may run at the same time. */
	bool threads;
};

/**
 * make_geometry() - Cut a volume into chunks.
 *
 * Return: false if a size is 0, or there are more chunks than names.
 */
bool make_geometry(struct geometry *geometry, uint64_t volume_bytes, uint64_t chunk_bytes);

/** bytes_of_chunk() - Size of a chunk in bytes; the last one ends with the volume. */
uint64_t bytes_of_chunk(const struct geometry *geometry, uint64_t chunk);

/**
 * open_view() - Make ready the view of a volume.
 * @device: path of a block device or a file
 * @times: path of a file of times; host/targets/chunks/times.ts describes it
 * @facts: content of the file datto-facts
 *
 * Return: false if something cannot be used; the reason is on standard error.
 */
bool open_view(struct filesystem *filesystem, const char *device, const char *times,
	       const char *facts);

/**
 * open_join() - Make ready the file of a folder of chunks.
 * @folder: its path
 * @geometry: kept by the caller
 *
 * Return: false if the folder cannot be opened; the reason is on standard error.
 */
bool open_join(struct filesystem *filesystem, const char *folder, const struct geometry *geometry);

/**
 * serve() - Mount a filesystem, and unmount it when standard input or a signal ends it.
 *
 * Prints "ready" once it is mounted, and at the end what was read.
 *
 * Return: exit status.
 */
int serve(const struct filesystem *filesystem, const char *mountpoint);

/** fail() - Print "chunkview: cannot WHAT SUBJECT: REASON". Return: false. */
bool fail(const char *what, const char *subject, const char *reason);

/** reply_read() - Answer a read, count it, and free @data; @error is a positive errno, or 0. */
void reply_read(fuse_req_t request, char *data, size_t bytes, int error);

/** read_full() - pread(2) until all is read. Return: 0 or a positive errno; EIO at the end of the file. */
int read_full(int fd, char *data, size_t bytes, uint64_t offset);

/** allow_reading() - Refuse to open for writing. Return: whether it may go on; else it was answered. */
bool allow_reading(fuse_req_t request, const struct fuse_file_info *file);

#endif
