/* SPDX-License-Identifier: GPL-2.0-only */
/* The devices by minor, and who may touch them. */
#ifndef DATTOBD_CONTROL_DEVICES_H
#define DATTOBD_CONTROL_DEVICES_H

#include <linux/mutex.h>
#include "params.h"

struct block_device;
struct dattobd_device;

/* guards devices[] and what control/status.c reads of them; held briefly */
extern struct mutex devices_lock;
extern struct dattobd_device *devices[];

void devices_init(void);

/**
 * minor_lock() - One request or look of the watch at a time for each minor. Who needs several
 * takes the lowest first.
 *
 * Return: 0, or -%EINTR if the caller was killed.
 */
int minor_lock(unsigned int minor);
void minor_lock_always(unsigned int minor);
bool minor_trylock(unsigned int minor);
void minor_unlock(unsigned int minor);
bool minor_is_locked(unsigned int minor);

/** device_enlist() - Put a device into devices[], or take it out. */
void device_enlist(struct dattobd_device *dev, bool listed);

/**
 * device_claim() - Be the one device that tracks its origin, until device_unclaim() or
 * device_free(). Return: 0, -%EALREADY if another one is, or -%EBUSY if a request is just making
 * or freeing it.
 */
int device_claim(struct dattobd_device *dev);
void device_unclaim(struct dattobd_device *dev);

#endif
