// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk holds after its power failed, by a log of dm-log-writes:
 *
 *	powercut LOG DISK FROM TO SEED
 *
 * DISK is what the disk was when the log began, and becomes what it is after a moment between the marks FROM and TO; the
 * steps between two flushes are equally likely, however much they write. If they are the same mark, the moment is that mark.
 * What was flushed, or written through the cache (FUA), is there. Of what was not, and of the write under way, any subset of
 * the writes or of their sectors is; at a mark, nothing. Prints the moment.
 */
#include "blocks.h"

enum { FLUSH = 1, FUA = 2, DISCARD = 4, MARK = 8 };

/* The log: this in sector 0, then entries of a sector each, followed by the data that was written. */
struct super {
	uint64_t magic, version, nr_entries;
	uint32_t sector_bytes;
};

struct entry {
	uint64_t sector, nr_sectors, flags, mark_bytes;
};

#define MAGIC 0x6a736677736872ull

struct write {
	struct entry entry;
	uint64_t data; /* offset in the log */
};

static int log_fd;
static const char *log_path;
static struct write *writes;
static uint64_t nr_writes;

static void wrong(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s %s\n", log_path, what, name);
	exit(2);
}

static uint64_t any(uint64_t below)
{
	return (uint64_t)random() % below;
}

static void read_log(void)
{
	uint64_t at = SECTOR;
	struct super super;

	read_all(log_fd, log_path, &super, sizeof(super), 0);
	if (super.magic != MAGIC || super.version != 1 || super.sector_bytes != SECTOR ||
	    super.nr_entries == 0)
		wrong("is no log", "of sectors of 512 bytes");
	nr_writes = super.nr_entries;
	writes = calloc(nr_writes, sizeof(*writes));
	for (uint64_t i = 0; i < nr_writes; i++) {
		struct entry *e = &writes[i].entry;

		read_all(log_fd, log_path, e, sizeof(*e), at);
		if (e->flags & DISCARD)
			wrong("has a discard,", "after which nobody knows what a disk holds");
		writes[i].data = at + SECTOR;
		at += SECTOR * (1 + e->nr_sectors);
	}
}

static uint64_t find_mark(const char *name)
{
	for (uint64_t i = 0; i < nr_writes; i++) {
		const struct entry *e = &writes[i].entry;
		char found[SECTOR] = "";

		if (!(e->flags & MARK) || e->mark_bytes > SECTOR - sizeof(*e))
			continue;
		/* The name follows the entry in its sector. */
		read_all(log_fd, log_path, found, e->mark_bytes,
			 writes[i].data - SECTOR + sizeof(*e));
		if (!strcmp(found, name))
			return i;
	}
	wrong("has no mark", name);
	return 0;
}

/* A write or a flush after FROM and not after TO, in a step chosen first. */
static uint64_t moment(uint64_t from, uint64_t to)
{
	uint64_t nr_steps = 1, step, begin = from + 1, i;

	for (i = from + 1; i < to; i++)
		nr_steps += writes[i].entry.flags & FLUSH;
	step = any(nr_steps);
	printf("in step %llu of %llu", (unsigned long long)step + 1, (unsigned long long)nr_steps);
	for (i = begin; i < to; i++) {
		if (!(writes[i].entry.flags & FLUSH))
			continue;
		if (step-- == 0)
			break;
		begin = i + 1;
	}
	return begin + any(i - begin + 1);
}

/* Writes each unit of @unit sectors with a chance of @quarters in 4. Returns the sectors written. */
static uint64_t put(int disk, const char *disk_path, const struct write *w, uint64_t unit,
		    unsigned int quarters)
{
	uint64_t nr = w->entry.nr_sectors, kept = 0;
	char *data = malloc(nr * SECTOR + 1);

	read_all(log_fd, log_path, data, nr * SECTOR, w->data);
	for (uint64_t at = 0; at < nr; at += unit) {
		uint64_t count = nr - at < unit ? nr - at : unit;

		if (any(4) >= quarters)
			continue;
		if (pwrite(disk, data + at * SECTOR, count * SECTOR,
			   (w->entry.sector + at) * SECTOR) != (ssize_t)(count * SECTOR))
			give_up("cannot write", disk_path);
		kept += count;
	}
	free(data);
	return kept;
}

int main(int argc, char **argv)
{
	uint64_t from, to, cut, flushed = 0, lost = 0, kept = 0;
	unsigned int quarters = 0, is_begun = 1;
	int disk, whole;

	if (argc != 6) {
		fprintf(stderr, "usage: powercut LOG DISK FROM TO SEED\n");
		return 2;
	}
	log_path = argv[1];
	log_fd = open_or_give_up(log_path, O_RDONLY);
	disk = open_or_give_up(argv[2], O_WRONLY);
	srandom(strtoul(argv[5], NULL, 10));
	read_log();
	from = find_mark(argv[3]);
	to = find_mark(argv[4]);
	cut = to;
	if (from != to) {
		cut = moment(from, to);
		quarters = any(5);
	} else {
		printf("at the mark");
	}
	whole = any(2);
	for (uint64_t i = 0; i < cut; i++)
		if (writes[i].entry.flags & FLUSH)
			flushed = i;
	/* Of the write under way nothing is there before the flush that it begins with is over. */
	if (writes[cut].entry.flags & FLUSH) {
		is_begun = any(2);
		if (is_begun)
			flushed = cut;
	}
	for (uint64_t i = 0; i < cut + is_begun; i++) {
		const struct entry *e = &writes[i].entry;
		int is_durable = i < flushed || (i < cut && e->flags & FUA);
		uint64_t unit = whole || is_durable ? e->nr_sectors : 1, n;

		if (e->nr_sectors == 0)
			continue;
		n = put(disk, argv[2], &writes[i], unit, is_durable ? 4 : quarters);
		if (is_durable)
			continue;
		kept += n;
		lost += e->nr_sectors - n;
	}
	printf(", write %llu of %llu to %llu: of %llu unflushed sectors, %llu are kept\n",
	       (unsigned long long)cut, (unsigned long long)from, (unsigned long long)to,
	       (unsigned long long)(kept + lost), (unsigned long long)kept);
	return close(disk) ? 2 : 0;
}
