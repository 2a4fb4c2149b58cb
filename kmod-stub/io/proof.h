/* SPDX-License-Identifier: GPL-2.0-only */
/* The proof that nobody wrote to the origin's filesystem but through here (io/proof.c). */
#ifndef DATTOBD_IO_PROOF_H
#define DATTOBD_IO_PROOF_H

#include <linux/types.h>

struct bio;
struct volume;
struct proof;

struct proof *proof_create(void); /* NULL without memory */
void proof_free(struct proof *proof);

/**
 * proof_learn() - Take what is on the origin as written here.
 * @fingerprint: result: of all that a checkpoint is tied to; NULL if there is none to be read
 *
 * Context: Process context, no write to the filesystem is in flight, none is missed from here on.
 * Return: 0; -%EOPNOTSUPP if there is no ext4 or XFS; -%EXDEV if its log is on another device;
 * an error of the disk.
 */
int proof_learn(struct volume *vol, u64 *fingerprint);

/**
 * proof_note() - A write goes to the origin. Its data do not change while it is in flight.
 * @sector, @nr_sectors: the part that lies on the origin, relative to it
 *
 * Context: core_lock.
 */
void proof_note(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * proof_identity() - Does the core's live checkpoint speak of the superblock as a write leaves it?
 * @bio: the write, which touches block 0; NULL for what was noted last
 *
 * Context: core_lock.
 * Return: 1; 0 if it does not; -%EOPNOTSUPP if it is no superblock that it could speak of.
 */
s64 proof_identity(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * proof_voids() - Does what a look found show that the core's live checkpoint would be refused?
 *
 * Context: after proof_check() with an error; nobody else looks.
 */
bool proof_voids(struct volume *vol);

/**
 * proof_is_noted() - Was this write noted, a moment ago? Device mapper submits one that wants a
 * flush first a second time, after the flush. To hold it then would be to wait for what it is to
 * write.
 *
 * Only records of an XFS log are known again; they are what is written so and noted.
 * Context: core_lock.
 */
bool proof_is_noted(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * proof_check() - Read what a mount elsewhere would have changed: is it what was written here?
 * @fingerprint: as for proof_learn(); NULL for the superblock and the end of the log alone
 *
 * At most 28 blocks are read, one after the other, past the page cache. Writes that may still be
 * in flight are waited for, 10 seconds from when they were noted, and a second from now.
 *
 * Context: Process context. May sleep; allocates nothing. Also on a failed device.
 * Return: 0; -%ESTALE if it is not; else as proof_learn().
 */
int proof_check(struct volume *vol, u64 *fingerprint);

#endif
