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
 * proof_stamps() - Let the core find how far a mount has stamped the log, which a live checkpoint
 * speaks of.
 *
 * Context: Process context. May sleep; the filesystem may be written to.
 * Return: 0, also if there is no log; -%EOPNOTSUPP if that cannot be found; else as proof_learn().
 */
int proof_stamps(struct volume *vol);

/**
 * proof_tie() - Let the core look whether the log is the one of which the live checkpoint speaks
 * that is being loaded. It says so when it is to accept that.
 *
 * Context: as proof_learn(). Return: as proof_learn().
 */
int proof_tie(struct volume *vol);

/**
 * proof_voids() - Does what a look found show that the core's live checkpoint would be refused?
 *
 * Context: after proof_check() with an error; nobody else looks.
 */
bool proof_voids(struct volume *vol);

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
