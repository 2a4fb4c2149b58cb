// SPDX-License-Identifier: GPL-2.0-only
/*
 * The limit of the bench: brings an image up to date as update-img does it, many transfers at once by asynchronous I/O, the
 * snapshot read past the page cache; and does nothing else, no checks, no state, no holes.
 *
 *   at-once <snapshot> <cow file> <image> <bytes of the snapshot>
 *
 * The image is on disk at the end.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 4096
#define ENTRIES 4096
#define HUGE_PAGE (2UL << 20)
#define PIECE 65536
/* Reads under way, and pieces that are read or written. */
#define DEPTH 128
#define SLOTS (2 * DEPTH)
#define FEW (DEPTH / 4)

/* What is to begin next, for io_submit(). */
struct list {
	struct iocb *controls[SLOTS];
	int count;
};

static struct iocb slots[SLOTS];
static char *memory;
static const char *cow_path;
static int snapshot, cow, image;
static uint64_t nr_blocks;

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static int has_changed(uint64_t block)
{
	static uint64_t entries[ENTRIES];
	static uint64_t end;

	if (block >= end) {
		uint64_t first = block / ENTRIES * ENTRIES;

		if (pread(cow, entries, sizeof(entries), BLOCK + 8 * first) != sizeof(entries))
			errx(1, "%s: short index", cow_path);
		end = first + ENTRIES;
	}
	return entries[block % ENTRIES] != 0;
}

/* Makes the control a read of the next blocks that have changed; returns whether there are any. */
static int next_piece(struct iocb *control)
{
	static uint64_t block;
	uint64_t start;

	while (block < nr_blocks && !has_changed(block))
		block++;
	start = block;
	while (block < nr_blocks && block - start < PIECE / BLOCK && has_changed(block))
		block++;
	control->aio_lio_opcode = IOCB_CMD_PREAD;
	control->aio_fildes = snapshot;
	control->aio_buf = (uintptr_t)(memory + (control - slots) * PIECE);
	control->aio_offset = start * BLOCK;
	control->aio_nbytes = (block - start) * BLOCK;
	return control->aio_nbytes > 0;
}

static void begin(aio_context_t context, struct list *list)
{
	for (int at = 0; at < list->count;) {
		long begun = syscall(SYS_io_submit, context, list->count - at, list->controls + at);

		if (begun <= 0)
			err(1, "io_submit");
		at += begun;
	}
	list->count = 0;
}

static void copy(aio_context_t context)
{
	static struct list reads, writes, idle;
	static struct io_event events[SLOTS];
	int nr_reads = 0, is_more = 1;

	for (int slot = 0; slot < SLOTS; slot++)
		idle.controls[idle.count++] = &slots[slot];
	while (is_more || idle.count < SLOTS) {
		long over;

		while (is_more && nr_reads < DEPTH && idle.count > 0) {
			struct iocb *control = idle.controls[idle.count - 1];

			is_more = next_piece(control);
			if (!is_more)
				break;
			control->aio_data = (uintptr_t)control;
			reads.controls[reads.count++] = control;
			idle.count--;
			nr_reads++;
		}
		begin(context, &reads);
		begin(context, &writes);
		over = SLOTS - idle.count < FEW ? SLOTS - idle.count : FEW;
		over = syscall(SYS_io_getevents, context, over, SLOTS, events, NULL);
		if (over < 0)
			err(1, "io_getevents");
		for (int i = 0; i < over; i++) {
			struct iocb *control = (struct iocb *)(uintptr_t)events[i].data;

			if (events[i].res != (int64_t)control->aio_nbytes)
				errx(1, "offset %lld: %lld", (long long)control->aio_offset,
				     (long long)events[i].res);
			if (control->aio_lio_opcode == IOCB_CMD_PWRITE) {
				idle.controls[idle.count++] = control;
				continue;
			}
			control->aio_lio_opcode = IOCB_CMD_PWRITE;
			control->aio_fildes = image;
			writes.controls[writes.count++] = control;
			nr_reads--;
		}
	}
}

int main(int argc, char **argv)
{
	aio_context_t context = 0;

	if (argc != 5)
		errx(2, "expected <snapshot> <cow file> <image> <bytes>");
	cow_path = argv[2];
	snapshot = open_or_die(argv[1], O_RDONLY | O_DIRECT);
	cow = open_or_die(cow_path, O_RDONLY);
	image = open_or_die(argv[3], O_WRONLY);
	nr_blocks = strtoull(argv[4], NULL, 10) / BLOCK;
	if (posix_memalign((void **)&memory, HUGE_PAGE, SLOTS * PIECE))
		errx(1, "no memory");
	madvise(memory, SLOTS * PIECE, MADV_HUGEPAGE);
	if (syscall(SYS_io_setup, SLOTS, &context))
		err(1, "io_setup");
	copy(context);
	if (fsync(image))
		err(1, "%s", argv[3]);
	return 0;
}
