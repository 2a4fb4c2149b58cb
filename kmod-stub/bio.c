// SPDX-License-Identifier: GPL-2.0-only
#include "bio.h"

static void own_end_io(struct bio *bio)
{
	((struct own_bio *)bio->bi_private)->end(bio);
}

/* Another function: bi_end_io is how the two kinds are distinguished. */
static void recorded_end_io(struct bio *bio)
{
	own_end_io(bio);
	barrier();
}

void bio_set_own(struct bio *bio, struct own_bio *own, bool recorded)
{
	bio->bi_end_io = recorded ? recorded_end_io : own_end_io;
	bio->bi_private = own;
}

bool bio_is_own(const struct bio *bio)
{
	return bio->bi_end_io == own_end_io;
}

bool bio_is_recorded(const struct bio *bio)
{
	return bio->bi_end_io == recorded_end_io;
}

/* The call must come from this module's text, so it may not become a jump. */
noinline void bio_submit_own(struct bio *bio)
{
	submit_bio_noacct(bio);
	barrier();
}
