/* SPDX-License-Identifier: GPL-2.0-only */
/* An origin that grew while it was tracked. */
#ifndef DATTOBD_CONTROL_GROW_ORIGIN_H
#define DATTOBD_CONTROL_GROW_ORIGIN_H

struct dattobd_device;

/**
 * grow_check() - Compare the origin with what the device's core was made for.
 *
 * Return: 0 if it is the same, 1 if it has grown, or after failing the device -%ESTALE: it shrank,
 * or begins elsewhere.
 */
int grow_check(struct dattobd_device *dev);

/**
 * grow_origin() - Let the device track all of an origin that has grown, and count what it grew by
 * as changed.
 *
 * Context: incremental mode; the filesystem is frozen, and no write is deferred.
 * Return: 0; -%EFBIG if it is too large to be tracked; -%EBUSY if writes that pass the filesystem
 * keep coming; -%ENOMEM.
 */
int grow_origin(struct dattobd_device *dev);

#endif
