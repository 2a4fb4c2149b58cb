// SPDX-License-Identifier: GPL-2.0-only
/* From 5.16 on polled bios are marked by REQ_POLLED. */
#include <linux/bio.h>
#include <linux/blkdev.h>

void probe(struct bio *bio);
void probe(struct bio *bio)
{
	bio_clear_polled(bio);
}
