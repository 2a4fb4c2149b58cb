// SPDX-License-Identifier: GPL-2.0-only
/* From 5.15 on. */
#include <linux/bio.h>
#include <linux/bvec.h>

void probe(struct bio_vec *bvec, const char *from);
void probe(struct bio_vec *bvec, const char *from)
{
	memcpy_to_bvec(bvec, from);
}
