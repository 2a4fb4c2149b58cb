// SPDX-License-Identifier: GPL-2.0-only
/*
 * Index sections between the core's memory and the COW file. The core cannot wait for a disk: it
 * says which section it misses and, when asked for it, what must be read or written first.
 * Sections travel through a bounce buffer, so that core_lock is never held over I/O.
 */
#include "io/sections.h"
#include "io/volume.h"
#include "killable.h"

#define STEPS_MORE \
	4096 /* the core has fewer slots than those that are put out one after the other */
#define MISSES_MAX 1000 /* readers may put sections out of memory that others have loaded */

/* @engine is whose section it is: it may not be the device's any more when the I/O has ended. */
struct section_io {
	struct engine *engine;
	s64 section;
	s64 offset; /* in the COW file, bytes */
};

/* The slot of the section that the core asked for last, or NULL: see engine_memory(). */
static void *io_memory(struct engine *engine)
{
	s64 address = wasm_io_address(engine);

	return engine_memory(engine, CORE_IO_ADDRESS, address, COW_SECTION_BYTES);
}

/*
 * What the core says of the section that it hands out, which must lie in the file's index, and in
 * its memory. What is to be written is copied. Context: core_lock. Return: 0 or
 * -%ENOTRECOVERABLE.
 */
static int get_io(struct volume *vol, bool write, struct section_io *io)
{
	struct engine *engine = vol->core.engine;
	s64 offset = wasm_io_offset(engine);
	s64 section = wasm_io_section(engine);
	void *memory = io_memory(engine);

	if (section < 0)
		return section;
	io->engine = engine;
	io->section = section;
	io->offset = COW_HEADER_SIZE + section * COW_SECTION_BYTES;
	if (offset != io->offset)
		return engine_distrust(engine, CORE_IO_OFFSET, offset);
	if (!memory)
		return -ENOTRECOVERABLE;
	if (write)
		memcpy(vol->sections.bounce, memory, COW_SECTION_BYTES);
	return 0;
}

/*
 * Make more memory ready if the core wants it for its next section. Without it the core puts a
 * section out of memory for another one. Return: how much there may be then, or 0.
 */
static u64 make_room(struct volume *vol, struct engine *engine)
{
	unsigned long flags;
	s64 bytes = 0;

	core_lock(&vol->core, flags);
	if (vol->core.snapshot_mode && !vol->core.error && vol->core.engine == engine)
		bytes = wasm_memory_wanted(engine);
	if (bytes <= (s64)engine_memory_bytes(engine))
		bytes = 0;
	core_unlock(&vol->core, flags);
	return bytes && !engine_prepare(engine, bytes) ? bytes : 0;
}

/*
 * Ask for a section (CORE_SECTION_REQUEST) or a limit (CORE_SET_CACHE); a section that must be
 * written back first is copied to the bounce buffer while the lock is held.
 */
static s64 request(struct volume *vol, enum core_export what, u64 value, struct section_io *io)
{
	struct engine *engine = READ_ONCE(vol->core.engine);
	u64 room = what == CORE_SECTION_REQUEST ? make_room(vol, engine) : 0;
	unsigned long flags;
	s64 ret;
	int err;

	core_lock(&vol->core, flags);
	ret = vol->core.engine == engine ? vol->core.error : -ECANCELED;
	if (!ret) {
		if (room)
			engine_let_grow(engine, room);
		ret = what == CORE_SECTION_REQUEST ? wasm_section_request(engine, value) :
						     wasm_set_cache(engine, value);
	}
	if (ret == CORE_SECTION_READ || ret == CORE_SECTION_WRITE) {
		err = get_io(vol, ret == CORE_SECTION_WRITE, io);
		if (err)
			ret = err;
	}
	core_unlock(&vol->core, flags);
	if (room)
		engine_settle(engine);
	return ret;
}

static s64 report(struct volume *vol, enum core_export what, const struct section_io *io)
{
	void *memory = NULL;
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	if (!vol->core.snapshot_mode || vol->core.engine != io->engine) {
		ret = -ECANCELED; /* the index was dropped meanwhile */
	} else {
		if (what == CORE_SECTION_READ_DONE)
			memory = io_memory(vol->core.engine);
		if (memory)
			memcpy(memory, vol->sections.bounce, COW_SECTION_BYTES);
		ret = what == CORE_SECTION_READ_DONE ?
			      wasm_section_read_done(vol->core.engine, io->section) :
			      wasm_section_write_done(vol->core.engine);
	}
	core_unlock(&vol->core, flags);
	return ret;
}

static s64 step(struct volume *vol, enum core_export what, u64 value)
{
	struct section_io io;
	s64 asked = request(vol, what, value, &io);
	bool reading = asked == CORE_SECTION_READ;
	int err;

	if (asked <= CORE_SECTION_READY || asked == CORE_SECTION_AGAIN)
		return asked;
	if (!reading && (shutter_prove(vol) || !cow_writes_begin(&vol->writes)))
		return vol->core.error;
	err = cow_file_raw(vol->cow, reading ? REQ_OP_READ : REQ_OP_WRITE, io.offset,
			   vol->sections.bounce, COW_SECTION_BYTES);
	if (!reading)
		cow_writes_end(&vol->writes);
	if (err)
		return err;
	err = report(vol, reading ? CORE_SECTION_READ_DONE : CORE_SECTION_WRITE_DONE, &io);
	return err ?: asked;
}

/*
 * Hand out the next dirty section from @from on, with its content. Return: 0, -%ENODATA if there is
 * none, or -errno.
 */
static int next_dirty(struct volume *vol, u64 from, struct section_io *io)
{
	unsigned long flags;
	s64 ret, nr_sections;

	core_lock(&vol->core, flags);
	nr_sections = wasm_stat(vol->core.engine, CORE_STAT_NR_SECTIONS);
	ret = nr_sections < 0 ? nr_sections : vol->core.error;
	if (!ret)
		ret = wasm_next_dirty_section(vol->core.engine, from);
	if (ret >= 0 && ret < nr_sections) {
		if (ret < (s64)from)
			ret = engine_distrust(vol->core.engine, CORE_NEXT_DIRTY_SECTION, ret);
		else
			ret = get_io(vol, true, io);
	} else if (ret >= 0) {
		ret = -ENODATA;
	}
	core_unlock(&vol->core, flags);
	return ret;
}

int sections_flush(struct volume *vol)
{
	struct section_io io = { .section = -1 };
	s64 ret = 0;

	mutex_lock(&vol->core.io_lock);
	while (!ret) {
		ret = next_dirty(vol, io.section + 1, &io);
		if (!ret)
			ret = cow_file_raw(vol->cow, REQ_OP_WRITE, io.offset, vol->sections.bounce,
					   COW_SECTION_BYTES);
		if (!ret)
			ret = report(vol, CORE_SECTION_WRITE_DONE, &io);
	}
	mutex_unlock(&vol->core.io_lock);
	return ret == -ENODATA ? 0 : ret;
}

static int all_steps(struct volume *vol, enum core_export what, u64 value)
{
	/* Each section is written once, or twice if it is changed meanwhile. */
	u64 most =
		core_nr_blocks(&vol->core) * 2 / (COW_SECTION_BYTES / sizeof(__le64)) + STEPS_MORE;
	s64 ret;

	mutex_lock(&vol->core.io_lock);
	do {
		ret = most-- ? step(vol, what, value) :
			       core_distrust(&vol->core, what, CORE_SECTION_WRITE);
		cond_resched();
	} while (ret > CORE_SECTION_READY);
	mutex_unlock(&vol->core.io_lock);
	return ret;
}

int sections_load(struct volume *vol, u64 section)
{
	return all_steps(vol, CORE_SECTION_REQUEST, section);
}

int sections_again(struct volume *vol, u64 section, unsigned int *tries)
{
	if ((*tries)++ > MISSES_MAX)
		return core_distrust(&vol->core, CORE_MISS_SECTION, section);
	return sections_load(vol, section);
}

/* What the bitmaps take in incremental mode, if it is less than there is, else 0. */
static s64 less_memory(struct volume *vol)
{
	s64 bytes = vol->core.error ?: wasm_memory_wanted(vol->core.engine);

	return bytes > 0 && bytes < (s64)engine_memory_bytes(vol->core.engine) ? bytes : 0;
}

/*
 * In incremental mode there is no index. What may be missing is memory for the new mapping of the
 * old pages, and nothing is lost then but that. Bitmaps may take more meanwhile.
 */
void sections_drop(struct volume *vol)
{
	struct engine *engine = vol->core.engine;
	unsigned long flags;
	s64 bytes, now;

	mutex_lock(&vol->core.io_lock);
	core_lock(&vol->core, flags);
	now = less_memory(vol);
	core_unlock(&vol->core, flags);
	do {
		bytes = now;
		if (!bytes || engine_prepare(engine, bytes))
			break;
		core_lock(&vol->core, flags);
		now = less_memory(vol);
		if (now == bytes)
			engine_cut(engine, bytes);
		core_unlock(&vol->core, flags);
		engine_settle(engine);
	} while (now != bytes);
	mutex_unlock(&vol->core.io_lock);
}

static void set_cache(struct work_struct *work)
{
	struct volume *vol = container_of(work, struct volume, sections.work);

	vol->sections.error = all_steps(vol, CORE_SET_CACHE, vol->sections.wanted);
}

/* By a work, which waits for the disk while its caller may give up. */
int sections_set_cache(struct volume *vol, u64 bytes)
{
	int err = work_wait(&vol->sections.work, MAX_SCHEDULE_TIMEOUT);

	if (err)
		return err;
	vol->sections.wanted = bytes;
	queue_work(COMPAT_UNBOUND_WQ, &vol->sections.work);
	return work_wait(&vol->sections.work, MAX_SCHEDULE_TIMEOUT) ?: vol->sections.error;
}

int sections_init(struct volume *vol)
{
	INIT_WORK(&vol->sections.work, set_cache);
	vol->sections.bounce = (void *)__get_free_pages(GFP_KERNEL, get_order(COW_SECTION_BYTES));
	return vol->sections.bounce ? 0 : -ENOMEM;
}

void sections_exit(struct volume *vol)
{
	free_pages((unsigned long)vol->sections.bounce, get_order(COW_SECTION_BYTES));
}
