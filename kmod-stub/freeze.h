/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filesystem frozen at a switch of mode. Freezing writes out what is dirty, and thawing writes
 * too: on a disk that does not answer no signal ends either. So both are a worker's, and who asked
 * for them can be killed.
 */
#ifndef DATTOBD_FREEZE_H
#define DATTOBD_FREEZE_H

struct dattobd_device;
struct freeze;

int freeze_init(void);
void freeze_exit(void);

/**
 * freeze_begin() - Freeze the filesystem of the origin.
 *
 * Whoever is killed meanwhile leaves it to the worker, which thaws it as soon as it is frozen; the
 * module cannot be unloaded until then.
 * Return: the freeze, to be given to freeze_end(), or ERR_PTR(): -%EINTR if killed.
 */
struct freeze *freeze_begin(struct dattobd_device *dev);

/** freeze_end() - Thaw it. For who was killed it may come later: he waits for a moment only. */
void freeze_end(struct freeze *freeze);

#endif
