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

/*
 * struct proof
 * @engine: whose look it is
 * @found: block 0, as it was read; the reader's
 * @block: the block that is read; the reader's
 */
struct proof {
	struct mutex lock; /* one look at a time */
	struct engine *engine;
	void *found, *block;
};

void proof_free(struct proof *proof)
{
	if (!proof)
		return;
	free_page((unsigned long)proof->found);
	free_page((unsigned long)proof->block);
	kfree(proof);
}

struct proof *proof_create(void)
{
	struct proof *proof = kzalloc(sizeof(*proof), GFP_KERNEL);

	if (!proof)
		return NULL;
	mutex_init(&proof->lock);
	proof->found = (void *)get_zeroed_page(GFP_KERNEL);
	proof->block = (void *)get_zeroed_page(GFP_KERNEL);
	if (proof->found && proof->block)
		return proof;
	proof_free(proof);
	return NULL;
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

static s64 look(struct volume *vol, enum core_proof kind)
{
	unsigned int count = 0;
	s64 block, ret;

	vol->proof->engine = READ_ONCE(vol->core.engine);
	ret = proof_ask(vol, vol->proof->found, 0, wasm_proof_begin, kind);
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

static enum core_proof proof_kind(const u64 *fingerprint)
{
	return fingerprint ? CORE_PROOF_WHOLE : CORE_PROOF_END;
}

static u64 fingerprint_of(struct volume *vol)
{
	return wasm_value(vol->core.engine, CORE_STAT_FINGERPRINT);
}

int proof_learn(struct volume *vol, u64 *fingerprint)
{
	struct proof *proof = vol->proof;
	unsigned long flags;
	s64 ret;

	mutex_lock(&proof->lock);
	ret = look(vol, proof_kind(fingerprint));
	core_lock(&vol->core, flags);
	noted_take(vol, proof->found);
	if (!ret) {
		noted_take_log(vol, true);
		if (fingerprint)
			*fingerprint = fingerprint_of(vol);
	}
	core_unlock(&vol->core, flags);
	mutex_unlock(&proof->lock);
	return ret;
}

static int look_once(struct volume *vol, enum core_proof kind)
{
	s64 ret;

	mutex_lock(&vol->proof->lock);
	ret = look(vol, kind);
	mutex_unlock(&vol->proof->lock);
	return ret;
}

int proof_stamps(struct volume *vol)
{
	return look_once(vol, CORE_PROOF_STAMPS);
}

int proof_tie(struct volume *vol)
{
	return look_once(vol, CORE_PROOF_TIE);
}

/* Compare what was found with what was written here. Context: core_lock. */
static int compare(struct volume *vol)
{
	if (memcmp(vol->proof->found, vol->noted.seen, COW_BLOCK_SIZE))
		return -ESTALE;
	return noted_differs(vol) ? -ESTALE : 0;
}

/*
 * A mkfs begins by wiping what was there: no filesystem, for a while, is no harm.
 *
 * Return: as proof_check(), or -%EAGAIN if a transition came in between.
 */
static int check_once(struct volume *vol, u64 *fingerprint)
{
	int err = look(vol, proof_kind(fingerprint));
	unsigned long flags;

	if (err && err != -EOPNOTSUPP)
		return err;
	core_lock(&vol->core, flags);
	if (vol->core.engine != vol->proof->engine)
		err = -EAGAIN;
	else if (!err || (!fingerprint && noted_landing(&vol->noted)))
		err = compare(vol);
	if (!err && fingerprint)
		*fingerprint = fingerprint_of(vol);
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
		else if (err == -ESTALE && !noted_landing(&vol->noted) &&
			 time_after(jiffies, differed + HZ))
			break;
		schedule_timeout_uninterruptible(HZ / 50);
	}
	mutex_unlock(&vol->proof->lock);
	return err;
}
