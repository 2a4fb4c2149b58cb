// SPDX-License-Identifier: GPL-2.0-only
/* The extents of a file, joined into runs, against extents_model.h. */
#include "check.h"
#include MAP_C
#include EXTENTS_C
#include "extents_model.h"

static void check_runs(const struct cow_extent *extents, unsigned int count)
{
	unsigned int i;

	CHECK(count == nr_expected);
	for (i = 0; i < count; i++) {
		CHECK(extents[i].offset == expected[i].offset);
		CHECK(extents[i].sector == expected[i].sector);
		CHECK(extents[i].count == expected[i].count);
	}
	met("read");
	if (count > 64)
		met("list grown");
	if (batches > 1)
		met("next batch");
}

/* Return: the error that was met on the way, or 0. */
static int met_trouble(bool memory_wanted, bool batches_wanted)
{
	if (memory_wanted && !memory_fails) {
		met("no memory");
		return -ENOMEM;
	}
	if (scratch_fails) {
		met("no scratch");
		return -EAGAIN;
	}
	if (batches_wanted && !batches_left) {
		met("io error");
		return -EIO;
	}
	return 0;
}

static void run_round(void)
{
	static const struct inode_operations none;
	struct inode inode = { .i_op = one_in(100) ? &none : &filesystem };
	struct cow_extent *extents = NULL;
	unsigned int count = 0;
	bool possible, no_memory = one_in(30), no_answer = one_in(60);
	int err, trouble;

	make_file();
	possible = expect_runs();
	batch_max = one_in(2) ? SCRATCH_EXTENTS : between(1, 20);
	batches = 0;
	batches_left = no_answer ? between(1, 3) : 0;
	memory_fails = no_memory ? between(1, 4) : 0;
	scratch_fails = one_in(100);
	task_killed = one_in(60);
	err = extents_read(&inode, file_bytes, &extents, &count);
	CHECK(!scratch_used);
	trouble = met_trouble(no_memory, no_answer);
	if (inode.i_op == &none) {
		CHECK(err == -EOPNOTSUPP);
		met("no fiemap");
	} else if (trouble) {
		CHECK(err == trouble);
	} else if (task_killed) {
		CHECK(err == -EINTR || (!possible && err == -EOPNOTSUPP));
		met("killed");
	} else if (possible) {
		CHECK(!err);
		check_runs(extents, count);
	} else {
		CHECK(err == -EOPNOTSUPP);
	}
	if (!err)
		kvfree(extents);
	CHECK(!memory_live);
}
