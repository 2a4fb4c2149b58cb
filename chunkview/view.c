// SPDX-License-Identifier: Apache-2.0
/*
 * A volume as a read-only folder: AAAA/BB/CC are its chunks, and datto-facts says what it is.
 *
 * Inode numbers are computed from chunk numbers and the other way round, so nothing is kept for what the
 * kernel has looked up. They ascend with offsets: some engines read in the order of inode numbers.
 */
#include "chunkview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FACTS_NAME "datto-facts"
#define FACTS_INODE 2
#define NS_PER_SECOND UINT64_C(1000000000)
/* "." and "..". */
#define NR_DOTS 2
#define NAME_BYTES 16

/* Two low bits of an inode number; the number of the file or folder above them, plus one. */
enum kind { ROOT, TOP, SUB, CHUNK };

/* The beginning of a file of times; host/targets/chunks/times.ts has all of it. Little-endian. */
struct times {
	char magic[8];
	uint32_t version;
	uint32_t chunk_bytes;
	uint64_t volume_bytes;
	uint64_t latest;
	uint8_t others[96];
	uint64_t chunks[];
};

#define TIMES_MAGIC "DATTOTIM"
#define TIMES_VERSION 1
_Static_assert(sizeof(struct times) == 128, "the header has 128 bytes");

struct view {
	int device;
	const struct times *times;
	const char *facts;
	struct geometry geometry;
};

/* A file or a folder. */
struct node {
	enum kind kind;
	bool is_facts;
	uint64_t number;
};

static const struct node root = { .kind = ROOT };
static const struct node facts_file = { .kind = ROOT, .is_facts = true };
/* Chunks below one file or folder of a kind, as a power of two. */
static const unsigned int shifts[] = { [ROOT] = 32, [TOP] = 16, [SUB] = 8, [CHUNK] = 0 };

static const struct view *view_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static fuse_ino_t inode_of(const struct node *node)
{
	if (node->kind == ROOT)
		return node->is_facts ? FACTS_INODE : FUSE_ROOT_ID;
	return (node->number + 1) << 2 | node->kind;
}

/* The kernel names only what it was given. */
static struct node node_of(fuse_ino_t inode)
{
	struct node node = { .kind = inode & 3, .number = (inode >> 2) - 1 };

	if (inode == FUSE_ROOT_ID)
		return root;
	return inode == FACTS_INODE ? facts_file : node;
}

static bool is_folder(const struct node *node)
{
	return node->kind != CHUNK && !node->is_facts;
}

/* Files and folders of a kind in all of the view. */
static uint64_t count_of(const struct view *view, enum kind kind)
{
	return ((view->geometry.nr_chunks - 1) >> shifts[kind]) + 1;
}

/* Number of the first child of a folder, but for datto-facts. */
static uint64_t first_child(const struct node *folder)
{
	return folder->number << (shifts[folder->kind] - shifts[folder->kind + 1]);
}

static uint64_t nr_children(const struct view *view, const struct node *folder)
{
	uint64_t most = UINT64_C(1) << (shifts[folder->kind] - shifts[folder->kind + 1]);
	uint64_t left = count_of(view, folder->kind + 1) - first_child(folder);

	return left < most ? left : most;
}

static void name_of(const struct node *node, char name[NAME_BYTES])
{
	if (node->is_facts)
		snprintf(name, NAME_BYTES, FACTS_NAME);
	else if (node->kind == TOP)
		snprintf(name, NAME_BYTES, "%04x", (unsigned int)(node->number & 0xffff));
	else
		snprintf(name, NAME_BYTES, "%02x", (unsigned int)(node->number & 0xff));
}

/* Finds a child by its name. */
static bool find_child(const struct view *view, const struct node *folder, const char *name,
		       struct node *child)
{
	char expected[NAME_BYTES];
	char *end;

	if (folder->kind == ROOT && strcmp(name, FACTS_NAME) == 0) {
		*child = facts_file;
		return true;
	}
	*child = (struct node){ .kind = folder->kind + 1 };
	child->number = strtoul(name, &end, 16);
	if (child->number >= nr_children(view, folder))
		return false;
	child->number += first_child(folder);
	/* Not " 1", nor "0x1", nor "1". */
	name_of(child, expected);
	return strcmp(name, expected) == 0;
}

static void fill_attributes(const struct view *view, const struct node *node, struct stat *stat)
{
	uint64_t time = 0;

	memset(stat, 0, sizeof(*stat));
	stat->st_ino = inode_of(node);
	stat->st_blksize = view->geometry.chunk_bytes;
	if (is_folder(node)) {
		/* Without a time: a folder whose chunks are as before is as before. */
		stat->st_mode = S_IFDIR | 0500;
		stat->st_nlink = 2;
		return;
	}
	stat->st_mode = S_IFREG | 0400;
	stat->st_nlink = 1;
	if (node->is_facts) {
		/* Later than any chunk: borg forgets what it has seen of files with the newest time. */
		time = view->times->latest + NS_PER_SECOND;
		stat->st_size = strlen(view->facts);
	} else {
		time = view->times->chunks[node->number];
		stat->st_size = bytes_of_chunk(&view->geometry, node->number);
	}
	stat->st_blocks = (stat->st_size + 511) / 512;
	stat->st_mtim.tv_sec = time / NS_PER_SECOND;
	stat->st_mtim.tv_nsec = time % NS_PER_SECOND;
	stat->st_ctim = stat->st_mtim;
	stat->st_atim = stat->st_mtim;
}

static struct fuse_entry_param entry_of(const struct view *view, const struct node *node)
{
	struct fuse_entry_param entry = { .ino = inode_of(node),
					  .attr_timeout = CACHE_SECONDS,
					  .entry_timeout = CACHE_SECONDS };

	fill_attributes(view, node, &entry.attr);
	return entry;
}

static void view_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	const struct view *view = view_of(request);
	const struct node folder = node_of(parent);
	struct fuse_entry_param entry;
	struct node child;

	if (!is_folder(&folder) || !find_child(view, &folder, name, &child)) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	entry = entry_of(view, &child);
	fuse_reply_entry(request, &entry);
}

static void view_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	const struct node node = node_of(inode);
	struct stat stat;

	(void)file;
	fill_attributes(view_of(request), &node, &stat);
	fuse_reply_attr(request, &stat, CACHE_SECONDS);
}

/* The entry at a position: dots, datto-facts in the root, then the others. */
static bool entry_at(const struct view *view, const struct node *folder, uint64_t position,
		     struct node *node, char name[NAME_BYTES])
{
	if (position < NR_DOTS) {
		*node = *folder;
		snprintf(name, NAME_BYTES, position == 0 ? "." : "..");
		return true;
	}
	position -= NR_DOTS;
	if (folder->kind == ROOT) {
		*node = facts_file;
		name_of(node, name);
		if (position == 0)
			return true;
		position--;
	}
	*node = (struct node){ .kind = folder->kind + 1, .number = first_child(folder) + position };
	name_of(node, name);
	return position < nr_children(view, folder);
}

static void read_folder(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, bool plus)
{
	const struct view *view = view_of(request);
	const struct node folder = node_of(inode);
	char name[NAME_BYTES];
	size_t used = 0;
	struct node node;
	char *entries;

	if (!is_folder(&folder)) {
		fuse_reply_err(request, ENOTDIR);
		return;
	}
	entries = malloc(size);
	if (!entries) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	while (entry_at(view, &folder, offset, &node, name)) {
		struct fuse_entry_param entry = entry_of(view, &node);
		size_t bytes;

		if (offset < NR_DOTS)
			entry.ino = 0;
		offset++;
		if (plus)
			bytes = fuse_add_direntry_plus(request, entries + used, size - used, name,
						       &entry, offset);
		else
			bytes = fuse_add_direntry(request, entries + used, size - used, name,
						  &entry.attr, offset);
		if (bytes > size - used)
			break;
		used += bytes;
	}
	fuse_reply_buf(request, entries, used);
	free(entries);
}

static void view_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
			 struct fuse_file_info *file)
{
	(void)file;
	read_folder(request, inode, size, offset, false);
}

static void view_readdirplus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
			     struct fuse_file_info *file)
{
	(void)file;
	read_folder(request, inode, size, offset, true);
}

static void view_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	(void)inode;
	if (!allow_reading(request, file))
		return;
	/* Past the page cache: each read comes from the volume, as large as it was requested. */
	file->direct_io = 1;
	fuse_reply_open(request, file);
}

static void view_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		      struct fuse_file_info *file)
{
	const struct view *view = view_of(request);
	const struct node node = node_of(inode);
	uint64_t end =
		node.is_facts ? strlen(view->facts) : bytes_of_chunk(&view->geometry, node.number);
	char *data;

	(void)file;
	if ((uint64_t)offset >= end) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	if (size > end - offset)
		size = end - offset;
	if (node.is_facts) {
		fuse_reply_buf(request, view->facts + offset, size);
		return;
	}
	data = malloc(size);
	reply_read(request, data, size,
		   data ? read_full(view->device, data, size,
				    node.number * view->geometry.chunk_bytes + offset) :
			  ENOMEM);
}

static const struct fuse_lowlevel_ops view_ops = {
	.lookup = view_lookup,
	.getattr = view_getattr,
	.readdir = view_readdir,
	.readdirplus = view_readdirplus,
	.open = view_open,
	.read = view_read,
};

static bool map_times(struct view *view, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const struct times *times;
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) != 0)
		return fail("open", path, strerror(errno));
	if (stat.st_size < (off_t)sizeof(*times))
		return fail("use", path, "it is shorter than its header");
	times = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (times == MAP_FAILED)
		return fail("map", path, strerror(errno));
	close(fd);
	if (memcmp(times->magic, TIMES_MAGIC, sizeof(times->magic)) != 0 ||
	    times->version != TIMES_VERSION)
		return fail("use", path, "no file of times, expected one of version 1");
	if (!make_geometry(&view->geometry, times->volume_bytes, times->chunk_bytes) ||
	    (uint64_t)stat.st_size != sizeof(*times) + view->geometry.nr_chunks * sizeof(uint64_t))
		return fail("use", path, "its sizes do not fit");
	view->times = times;
	return true;
}

bool open_view(struct filesystem *filesystem, const char *device, const char *times,
	       const char *facts)
{
	static struct view view;

	if (!map_times(&view, times))
		return false;
	view.facts = facts;
	view.device = open(device, O_RDONLY | O_CLOEXEC);
	if (view.device < 0)
		return fail("open", device, strerror(errno));
	if (lseek(view.device, 0, SEEK_END) < (off_t)view.geometry.volume_bytes)
		return fail("use", device, "it is smaller than the file of times says");
	*filesystem = (struct filesystem){ .ops = &view_ops, .state = &view, .threads = true };
	return true;
}
