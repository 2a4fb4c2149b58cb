/* SPDX-License-Identifier: GPL-2.0-only */
/* Bios of our own. */
#ifndef DATTOBD_BIO_H
#define DATTOBD_BIO_H

#include <linux/bio.h>

/**
 * struct own_bio - What bi_private of a write of our own points to: its first member.
 * @end: called at its end, as bi_end_io
 */
struct own_bio {
	void (*end)(struct bio *bio);
};

/**
 * bio_set_own() - Make a write known as our own: it is not intercepted, nor is what the block layer
 * splits off, which comes back from outside this module.
 * @recorded: it is intercepted all the same, like anybody's: it goes to no snapshot's file
 */
void bio_set_own(struct bio *bio, struct own_bio *own, bool recorded);

/** bio_is_own(), bio_is_recorded() - What bio_set_own() made of it. Context: Any. */
bool bio_is_own(const struct bio *bio);
bool bio_is_recorded(const struct bio *bio);

/**
 * bio_submit_own() - Submit a bio from here, so that it is known by its caller's address.
 *
 * Context: Process context.
 */
void bio_submit_own(struct bio *bio);

#endif
