// SPDX-License-Identifier: GPL-2.0-only
/* From 6.0 on flags of requests have a type of their own. */
#include <linux/blk_types.h>

blk_opf_t probe(struct bio *bio);
blk_opf_t probe(struct bio *bio)
{
	return bio->bi_opf;
}
