// SPDX-License-Identifier: GPL-2.0-only
/*
 * Was the origin written without us? Another host, another path to the same disk, or a kernel
 * without this module may mount it while it is not mounted here.
 *
 * Every writing mount changes the superblock of ext4, and the log of XFS. What was written here
 * of both is noted as it goes by: block 0, and where the last record of the log ends. If the
 * disk holds anything else, somebody else wrote. The core says which blocks to look at, and
 * finds the end of the log.
 */
#include <linux/slab.h>
#include "cow/map.h"
#include "io/proof.h"
#include "io/volume.h"

#define LANDING (10 * HZ) /* a write that was noted is on disk by then */
#define LOG_RECORDS 16 /* of a log that XFS has in flight at most: 8, each in one piece or two */

/* One record of the log: where it ends, and in which cycle; and what wrote it. */
struct log_record {
	const struct bio *bio;
	u64 last;
	u32 cycle;
};

/*
 * struct proof
 * @engine: whose look it is
 * @found: block 0, as it was read; the reader's
 * @block: the block that is read; the reader's
 *
 * Under core_lock:
 * @seen: block 0, as it was written here last
 * @log_start, @log_end: sectors of the XFS log; equal if there is none
 * @log_last, @log_cycle: last sector, from @log_start on, and cycle of the last record
 * @log_known: false if the log was overwritten here otherwise, and no record was written since
 * @records: those that were noted last; @nr_records counts all
 * @noted: when, in jiffies
 */
struct proof {
	struct mutex lock; /* one look at a time */
	struct engine *engine;
	void *found, *block;
	void *seen;
	u64 log_start, log_end, log_last;
	u32 log_cycle;
	bool log_known;
	struct log_record records[LOG_RECORDS];
	unsigned int nr_records;
	unsigned long noted;
};

void proof_free(struct proof *proof)
{
	if (!proof)
		return;
	free_page((unsigned long)proof->found);
	free_page((unsigned long)proof->block);
	free_page((unsigned long)proof->seen);
	kfree(proof);
}

struct proof *proof_create(void)
{
	struct proof *proof = kzalloc(sizeof(*proof), GFP_KERNEL);

	static_assert(PAGE_SIZE >= COW_BLOCK_SIZE);
	if (!proof)
		return NULL;
	mutex_init(&proof->lock);
	proof->found = (void *)get_zeroed_page(GFP_KERNEL);
	proof->block = (void *)get_zeroed_page(GFP_KERNEL);
	proof->seen = (void *)get_zeroed_page(GFP_KERNEL);
	if (proof->found && proof->block && proof->seen)
		return proof;
	proof_free(proof);
	return NULL;
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

/*
 * Records of a mounted XFS are written in order, but may come here in another; of those that are
 * written while it is not mounted here, by mkfs or repair, the last one counts.
 */
static bool is_newer(const struct volume *vol, u64 last, u32 cycle)
{
	const struct proof *proof = vol->proof;

	if (!proof->log_known || vol->shutter.shut)
		return true;
	return cycle == proof->log_cycle ? last > proof->log_last :
					   (s32)(cycle - proof->log_cycle) > 0;
}

static void note_log(struct volume *vol, const struct log_record *record)
{
	struct proof *proof = vol->proof;

	if (record->cycle == XFS_LOG_MAGIC)
		return; /* a mount stamps what lies behind the end */
	proof->records[proof->nr_records++ % LOG_RECORDS] = *record;
	if (!record->cycle) {
		proof->log_known = false;
	} else if (is_newer(vol, record->last, record->cycle)) {
		proof->log_known = true;
		proof->log_last = record->last;
		proof->log_cycle = record->cycle;
	}
}

static bool is_landing(const struct proof *proof)
{
	return time_before(jiffies, READ_ONCE(proof->noted) + LANDING);
}

static bool is_in_log(const struct proof *proof, sector_t sector, sector_t nr_sectors)
{
	return sector >= proof->log_start && sector + nr_sectors <= proof->log_end;
}

/* The record that ends with these sectors of @bio. */
static struct log_record record_of(struct volume *vol, struct bio *bio, sector_t sector,
				   sector_t nr_sectors)
{
	sector_t end = sector + nr_sectors - 1;
	__be32 word;

	copy_data(bio, (vol->origin.start + end - compat_bio_sector(bio)) * SECTOR_SIZE, &word,
		  sizeof(word));
	return (struct log_record){
		.bio = bio,
		.last = end - vol->proof->log_start,
		.cycle = be32_to_cpu(word),
	};
}

bool proof_is_noted(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	struct proof *proof = vol->proof;
	struct log_record record;
	unsigned int i;

	if (!is_in_log(proof, sector, nr_sectors) || !is_landing(proof) || !bio_has_data(bio))
		return false;
	record = record_of(vol, bio, sector, nr_sectors);
	for (i = 0; i < LOG_RECORDS; i++) {
		const struct log_record *noted = &proof->records[i];

		if (noted->bio == bio && noted->last == record.last && noted->cycle == record.cycle)
			return true;
	}
	return false;
}

/* What a write that touches block 0 leaves in it. */
static void overlay(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors,
		    void *block)
{
	sector_t skip = vol->origin.start + sector - compat_bio_sector(bio);
	sector_t end = min_t(sector_t, sector + nr_sectors, COW_BLOCK_SECTORS);

	copy_data(bio, skip * SECTOR_SIZE, block + sector * SECTOR_SIZE,
		  (end - sector) * SECTOR_SIZE);
}

s64 proof_identity(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	void *to = engine_buffer(vol->core.engine, COW_BLOCK_SIZE);

	if (!to)
		return -ENOTRECOVERABLE;
	memcpy(to, vol->proof->seen, COW_BLOCK_SIZE);
	if (bio)
		overlay(vol, bio, sector, nr_sectors, to);
	return wasm_live_identity(vol->core.engine);
}

void proof_note(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	struct proof *proof = vol->proof;
	bool in_log = is_in_log(proof, sector, nr_sectors);
	struct log_record record;

	if (likely(sector >= COW_BLOCK_SECTORS && !in_log))
		return;
	WRITE_ONCE(proof->noted, jiffies);
	if (in_log) {
		record = record_of(vol, bio, sector, nr_sectors);
		note_log(vol, &record);
	} else {
		overlay(vol, bio, sector, nr_sectors, proof->seen);
	}
}

/*
 * Call the core of the look that is under way, with @bytes of @data in its buffer. A transition may
 * put another in its place.
 */
#define proof_ask(v, data, bytes, export, ...)                                              \
	({                                                                                  \
		struct volume *proof_vol = (v);                                             \
		struct core *proof_core = &proof_vol->core;                                 \
		unsigned long proof_flags;                                                  \
		s64 proof_ret = -EAGAIN;                                                    \
		core_lock(proof_core, proof_flags);                                         \
		if (proof_core->engine == proof_vol->proof->engine)                         \
			proof_ret = engine_write_buffer(proof_core->engine, data, bytes) ?: \
					    export(proof_core->engine, ##__VA_ARGS__);      \
		core_unlock(proof_core, proof_flags);                                       \
		proof_ret;                                                                  \
	})

static int read_block(struct volume *vol, u64 block, void *to)
{
	struct bio *bio = compat_bio_alloc(origin_bdev(&vol->origin), 1, REQ_OP_READ | REQ_SYNC,
					   GFP_NOIO, &vol->read_bios);
	int err;

	bio->bi_iter.bi_sector = block * COW_BLOCK_SECTORS;
	__bio_add_page(bio, virt_to_page(to), COW_BLOCK_SIZE, offset_in_page(to));
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/* The COW file may lie among the first blocks; what it holds is no sign of a mount. */
static s64 look_at(struct volume *vol, u64 block)
{
	void *data = block ? vol->proof->block : vol->proof->found;
	int err;

	if (cow_file_overlaps(vol->cow, block * COW_BLOCK_SECTORS, COW_BLOCK_SECTORS))
		return proof_ask(vol, data, 0, wasm_proof_block, 0);
	err = read_block(vol, block, data);
	return err ?: proof_ask(vol, data, COW_BLOCK_SIZE, wasm_proof_block, COW_BLOCK_SIZE);
}

static s64 look(struct volume *vol, bool whole)
{
	unsigned int count = 0;
	s64 block, ret;

	vol->proof->engine = READ_ONCE(vol->core.engine);
	ret = proof_ask(vol, vol->proof->found, 0, wasm_proof_begin, whole);
	while (!ret) {
		block = proof_ask(vol, vol->proof->found, 0, wasm_proof_next);
		if (block == -ENODATA)
			return 0;
		if (block >= 0 && ++count > CORE_PROOF_BLOCKS_MAX)
			block = -ENOTRECOVERABLE;
		ret = block < 0 ? block : look_at(vol, block);
	}
	return ret;
}

static u64 proof_stat(struct volume *vol, enum core_stat field)
{
	return wasm_value(vol->core.engine, field);
}

/* The log is where the superblock says, which was written here. */
static void take_log(struct volume *vol, bool known)
{
	struct proof *proof = vol->proof;

	proof->log_start = proof_stat(vol, CORE_STAT_LOG_START);
	proof->log_end = proof->log_start + proof_stat(vol, CORE_STAT_LOG_SECTORS);
	proof->log_last = proof_stat(vol, CORE_STAT_LOG_LAST);
	proof->log_cycle = proof_stat(vol, CORE_STAT_LOG_CYCLE);
	proof->log_known = known;
}

int proof_learn(struct volume *vol, u64 *fingerprint)
{
	struct proof *proof = vol->proof;
	unsigned long flags;
	s64 ret;

	mutex_lock(&proof->lock);
	ret = look(vol, fingerprint);
	core_lock(&vol->core, flags);
	memcpy(proof->seen, proof->found, COW_BLOCK_SIZE);
	proof->noted = jiffies;
	if (!ret) {
		take_log(vol, true);
		if (fingerprint)
			*fingerprint = proof_stat(vol, CORE_STAT_FINGERPRINT);
	}
	core_unlock(&vol->core, flags);
	mutex_unlock(&proof->lock);
	return ret;
}

/* Compare what was found with what was written here. Context: core_lock. */
static int compare(struct volume *vol)
{
	struct proof *proof = vol->proof;

	if (memcmp(proof->found, proof->seen, COW_BLOCK_SIZE))
		return -ESTALE;
	if (proof->log_start != proof_stat(vol, CORE_STAT_LOG_START) ||
	    proof->log_end - proof->log_start != proof_stat(vol, CORE_STAT_LOG_SECTORS))
		take_log(vol, false); /* another filesystem was made here */
	if (!proof->log_known)
		return 0;
	if (proof->log_last != proof_stat(vol, CORE_STAT_LOG_LAST) ||
	    proof->log_cycle != proof_stat(vol, CORE_STAT_LOG_CYCLE))
		return -ESTALE;
	return 0;
}

/*
 * A mkfs begins by wiping what was there: no filesystem, for a while, is no harm.
 *
 * Return: as proof_check(), or -%EAGAIN if a transition came in between.
 */
static int check_once(struct volume *vol, u64 *fingerprint)
{
	int err = look(vol, fingerprint);
	unsigned long flags;

	if (err && err != -EOPNOTSUPP)
		return err;
	core_lock(&vol->core, flags);
	if (vol->core.engine != vol->proof->engine)
		err = -EAGAIN;
	else if (!err || (!fingerprint && is_landing(vol->proof)))
		err = compare(vol);
	if (!err && fingerprint)
		*fingerprint = proof_stat(vol, CORE_STAT_FINGERPRINT);
	core_unlock(&vol->core, flags);
	return err;
}

bool proof_voids(struct volume *vol)
{
	unsigned long flags;
	s64 ret;

	mutex_lock(&vol->proof->lock);
	core_lock(&vol->core, flags);
	ret = engine_write_buffer(vol->core.engine, vol->proof->found, COW_BLOCK_SIZE) ?:
		      wasm_live_void(vol->core.engine);
	core_unlock(&vol->core, flags);
	mutex_unlock(&vol->proof->lock);
	return ret == 1;
}

int proof_check(struct volume *vol, u64 *fingerprint)
{
	unsigned long differed = 0;
	int err;

	mutex_lock(&vol->proof->lock);
	for (;;) {
		err = check_once(vol, fingerprint);
		if (err != -EAGAIN && err != -ESTALE)
			break;
		/* A disk that did not answer may answer a read before a write. */
		if (err == -ESTALE && !differed)
			differed = jiffies | 1;
		else if (err == -ESTALE && !is_landing(vol->proof) &&
			 time_after(jiffies, differed + HZ))
			break;
		schedule_timeout_uninterruptible(HZ / 50);
	}
	mutex_unlock(&vol->proof->lock);
	return err;
}
