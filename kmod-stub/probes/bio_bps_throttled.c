// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk_types.h>

int probe(void);

int probe(void)
{
	return BIO_BPS_THROTTLED;
}
