/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who writes faster than old content can be copied is slowed down: the submitter of a write waits,
 * if too many of its kind are deferred already (&struct crowd).
 */
#ifndef DATTOBD_IO_PACE_H
#define DATTOBD_IO_PACE_H

#include <linux/bio.h>

/** pace_set() - Are too many of one kind deferred on this minor? Context: Any. */
void pace_set(unsigned int minor, bool urgent, bool full);

/** pace_wake() - A minor has room again: pace_set() said so. Context: Any, no raw lock held. */
void pace_wake(void);

/** pace_applies() - May who submits this write, here and now, be made to wait? */
bool pace_applies(const struct bio *bio);

/**
 * pace_begin() - The present task is about to call pace_wait() for that minor.
 *
 * Context: Any. Return: false if too many wait already.
 */
bool pace_begin(unsigned int minor, bool urgent);

/**
 * pace_wait() - Sleep until the minor has room, for a second at most, or until killed. Afterwards
 * the task leaves the module.
 */
void pace_wait(void);

/** pace_end() - Wait until nobody is in pace_wait() any more, once nobody begins. */
void pace_end(void);

#endif
