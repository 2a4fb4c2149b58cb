/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The live checkpoint on its way to the next snapshot: it is made in that snapshot's COW file, all
 * but map and header before the freeze, and these under it. The new core keeps it true from the
 * switch on. The old file is closed meanwhile, and then the new snapshot makes one of its own.
 */
#ifndef DATTOBD_IO_LIVE_NEXT_H
#define DATTOBD_IO_LIVE_NEXT_H

#include <linux/types.h>

struct cow_file;
struct engine;
struct ring;
struct volume;

/**
 * live_to_next() - Make one in the next snapshot's file, up to its map. If that cannot be there is
 * none from here on, before the new snapshot has one of its own.
 * @next, @cow, @ring: of the next snapshot, of which nobody else knows. The present index lists
 * @cow.
 *
 * Context: incremental mode, one transition at a time.
 * Return: 0, -%EINTR, or the error with which the device failed. live_back() comes after an error.
 */
int live_to_next(struct volume *vol, struct engine *next, struct cow_file *cow, struct ring *ring);

/**
 * live_finish() - Write the rest: it is in force then, and the former one is not any more.
 * @timeout: jiffies
 *
 * Context: the filesystem is frozen. Return: 0, -%EINTR or -%ETIMEDOUT.
 */
int live_finish(struct volume *vol, long timeout);

/** live_back() - There will be no next snapshot: its file has no checkpoint any more. */
void live_back(struct volume *vol);

/**
 * live_hand_over() - Hand the map of the one in force to the core of the next snapshot.
 *
 * Context: the filesystem is frozen. Return: 0 or -errno; there is none to hand over: 0.
 */
int live_hand_over(struct volume *vol, struct engine *next);

/**
 * live_take_over() - The core of the next snapshot keeps it true from here on, if there is one, and
 * knows what is noted of the log.
 *
 * Context: core_lock, the last thing before the switch.
 * Return: false if it must be handed over again, since a write came in between.
 */
bool live_take_over(struct volume *vol, struct engine *next);

/**
 * live_give_back() - Undo live_take_over(), which returned true: there is no switch yet.
 *
 * Context: core_lock, held since.
 */
void live_give_back(struct volume *vol, struct engine *next);

/**
 * live_preserve_header() - Preserve the header block of the COW file, which is an ordinary block of
 * the origin: it will be written raw for the checkpoint that was taken over. If that cannot be the
 * device fails.
 * @timeout: jiffies, for each piece of the block
 *
 * Context: the filesystem is frozen.
 */
void live_preserve_header(struct volume *vol, long timeout);

/**
 * live_switched() - The volume's core and COW file are those of the next snapshot.
 *
 * Context: core_lock.
 */
void live_switched(struct volume *vol);

#endif
