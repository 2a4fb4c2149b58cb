/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads of the frozen view. */
#ifndef DATTOBD_IO_SNAPSHOT_READ_H
#define DATTOBD_IO_SNAPSHOT_READ_H

struct bio;
struct snapshot;

int snapshot_reads_init(struct snapshot *snap);
void snapshot_reads_exit(struct snapshot *snap); /* waits for all reads */
void snapshot_read(struct snapshot *snap, struct bio *bio);

#endif
