// SPDX-License-Identifier: GPL-2.0-only
/* From 6.18 on one seqlock guards a task's view of the tree of files. */
#include <linux/fs_struct.h>

void probe(struct fs_struct *fs);
void probe(struct fs_struct *fs)
{
	write_seqlock(&fs->seq);
}
