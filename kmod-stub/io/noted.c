// SPDX-License-Identifier: GPL-2.0-only
#include "compat.h"
#include "io/noted.h"
#include "io/volume.h"

#define LANDING (10 * HZ) /* a write that was noted is on disk by then */

int noted_init(struct noted *noted)
{
	static_assert(PAGE_SIZE >= COW_BLOCK_SIZE);
	noted->seen = (void *)get_zeroed_page(GFP_KERNEL);
	return noted->seen ? 0 : -ENOMEM;
}

void noted_exit(struct noted *noted)
{
	free_page((unsigned long)noted->seen);
}

bool noted_in_log(const struct noted *noted, sector_t sector, sector_t nr_sectors)
{
	return sector >= noted->log_start && sector + nr_sectors <= noted->log_end;
}

bool noted_touches_log(const struct noted *noted, sector_t sector, sector_t nr_sectors)
{
	return sector < noted->log_end && sector + nr_sectors > noted->log_start;
}

bool noted_landing(const struct noted *noted)
{
	return time_before(jiffies, READ_ONCE(noted->when) + LANDING);
}

/* What a bio writes from byte @from on. A request without data leaves zeros, or nothing known. */
static void copy_data(struct bio *bio, unsigned int from, void *to, unsigned int bytes)
{
	struct bvec_iter iter = bio->bi_iter;
	struct bio_vec vec;

	if (!bio_has_data(bio)) {
		memset(to, 0, bytes);
		return;
	}
	bio_advance_iter(bio, &iter, from);
	iter.bi_size = bytes;
	__bio_for_each_segment(vec, bio, iter, iter) {
		memcpy_from_bvec(to, &vec);
		to += vec.bv_len;
	}
}

/* The same of a sector of the origin. */
static void copy_sector(struct volume *vol, struct bio *bio, sector_t sector, void *to,
			unsigned int bytes)
{
	sector_t from = vol->origin.start + sector - compat_bio_sector(bio);

	copy_data(bio, from * SECTOR_SIZE, to, bytes);
}

/*
 * Records of a mounted XFS are written in order, but may come here in another; of those that are
 * written while it is not mounted here, by mkfs or repair, the last one counts.
 */
static bool is_newer(const struct volume *vol, u64 last, u32 cycle)
{
	const struct noted *noted = &vol->noted;

	if (!noted->log_known || vol->shutter.shut)
		return true;
	return cycle == noted->log_cycle ? last > noted->log_last :
					   (s32)(cycle - noted->log_cycle) > 0;
}

/*
 * A mount stamps what lies behind the end. After a power cut it may find that sooner than the core
 * does, which takes no record apart: before one of which a part is missing.
 */
static void note_stamps(struct volume *vol, struct bio *bio, sector_t sector)
{
	struct noted *noted = &vol->noted;
	u64 nr_sectors = noted->log_end - noted->log_start, first = sector - noted->log_start;
	u64 last = first ? first - 1 : nr_sectors - 1;
	__be32 words[2];
	u32 cycle;

	copy_sector(vol, bio, sector, words, sizeof(words));
	if (!noted->log_known || be32_to_cpu(words[0]) != XFS_LOG_MAGIC)
		return;
	cycle = be32_to_cpu(words[1]) + (first ? 1 : 0);
	if (cycle > noted->log_cycle || (cycle == noted->log_cycle && last >= noted->log_last))
		return;
	noted->log_last = last;
	noted->log_cycle = cycle;
}

static void note_log(struct volume *vol, const struct log_record *record)
{
	struct noted *noted = &vol->noted;

	noted->records[noted->nr_records++ % NOTED_RECORDS] = *record;
	if (!record->cycle) {
		noted->log_known = false;
	} else if (is_newer(vol, record->last, record->cycle)) {
		noted->log_known = true;
		noted->log_last = record->last;
		noted->log_cycle = record->cycle;
	}
}

/* The record that ends with these sectors of @bio. */
static struct log_record record_of(struct volume *vol, struct bio *bio, sector_t sector,
				   sector_t nr_sectors)
{
	sector_t last = sector + nr_sectors - 1;
	__be32 word;

	copy_sector(vol, bio, last, &word, sizeof(word));
	return (struct log_record){
		.bio = bio,
		.last = last - vol->noted.log_start,
		.cycle = be32_to_cpu(word),
	};
}

bool noted_again(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	const struct noted *noted = &vol->noted;
	struct log_record record;
	unsigned int i;

	if (!noted_in_log(noted, sector, nr_sectors) || !noted_landing(noted) || !bio_has_data(bio))
		return false;
	record = record_of(vol, bio, sector, nr_sectors);
	for (i = 0; i < NOTED_RECORDS; i++) {
		const struct log_record *other = &noted->records[i];

		if (other->bio == bio && other->last == record.last && other->cycle == record.cycle)
			return true;
	}
	return false;
}

/* What a write that touches block 0 leaves in it. */
static void overlay(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors,
		    void *block)
{
	sector_t end = min_t(sector_t, sector + nr_sectors, COW_BLOCK_SECTORS);

	copy_sector(vol, bio, sector, block + sector * SECTOR_SIZE, (end - sector) * SECTOR_SIZE);
}

s64 noted_identity(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	void *to = engine_buffer(vol->core.engine, COW_BLOCK_SIZE);

	if (!to)
		return -ENOTRECOVERABLE;
	memcpy(to, vol->noted.seen, COW_BLOCK_SIZE);
	if (bio)
		overlay(vol, bio, sector, nr_sectors, to);
	return wasm_live_identity(vol->core.engine, bio ? 1 : 0);
}

s64 noted_log(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	const struct noted *noted = &vol->noted;
	void *to = engine_buffer(vol->core.engine, 2 * SECTOR_SIZE);

	if (!to)
		return -ENOTRECOVERABLE;
	if (!noted_in_log(noted, sector, nr_sectors))
		return wasm_live_log(vol->core.engine, 0, 0); /* no record is written so */
	copy_sector(vol, bio, sector, to, SECTOR_SIZE);
	copy_sector(vol, bio, sector + nr_sectors - 1, to + SECTOR_SIZE, SECTOR_SIZE);
	return wasm_live_log(vol->core.engine, sector - noted->log_start, nr_sectors);
}

void noted_write(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	struct noted *noted = &vol->noted;
	bool in_log = noted_touches_log(noted, sector, nr_sectors);
	struct log_record record;

	if (likely(sector >= COW_BLOCK_SECTORS && !in_log))
		return;
	WRITE_ONCE(noted->when, jiffies);
	if (in_log && vol->core.engine && !vol->core.error)
		noted_log(vol, bio, sector, nr_sectors);
	if (noted_in_log(noted, sector, nr_sectors)) {
		record = record_of(vol, bio, sector, nr_sectors);
		if (record.cycle == XFS_LOG_MAGIC)
			note_stamps(vol, bio, sector);
		else
			note_log(vol, &record);
	} else if (sector < COW_BLOCK_SECTORS) {
		overlay(vol, bio, sector, nr_sectors, noted->seen);
	}
}

void noted_take(struct volume *vol, const void *block)
{
	memcpy(vol->noted.seen, block, COW_BLOCK_SIZE);
	vol->noted.when = jiffies;
}

static u64 log_stat(struct volume *vol, enum core_stat field)
{
	return wasm_value(vol->core.engine, field);
}

void noted_take_log(struct volume *vol, bool known)
{
	struct noted *noted = &vol->noted;

	noted->log_start = log_stat(vol, CORE_STAT_LOG_START);
	noted->log_end = noted->log_start + log_stat(vol, CORE_STAT_LOG_SECTORS);
	noted->log_last = log_stat(vol, CORE_STAT_LOG_LAST);
	noted->log_cycle = log_stat(vol, CORE_STAT_LOG_CYCLE);
	noted->log_known = known;
	noted_rest(vol, vol->core.engine);
}

void noted_rest(struct volume *vol, struct engine *engine)
{
	const struct noted *noted = &vol->noted;
	u64 nr_sectors = noted->log_known ? noted->log_end - noted->log_start : 0;

	if (!vol->core.error)
		wasm_live_rest(engine, nr_sectors, noted->log_last, noted->log_cycle);
}

bool noted_differs(struct volume *vol)
{
	const struct noted *noted = &vol->noted;

	if (noted->log_start != log_stat(vol, CORE_STAT_LOG_START) ||
	    noted->log_end - noted->log_start != log_stat(vol, CORE_STAT_LOG_SECTORS))
		noted_take_log(vol, false); /* another filesystem was made here */
	if (!noted->log_known)
		return false;
	return noted->log_last != log_stat(vol, CORE_STAT_LOG_LAST) ||
	       noted->log_cycle != log_stat(vol, CORE_STAT_LOG_CYCLE);
}
