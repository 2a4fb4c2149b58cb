/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracking that outlives the module: io/seal.c, control/watch.c, control/reload.c. */
#ifndef DATTOBD_IO_SEAL_H
#define DATTOBD_IO_SEAL_H

#include <linux/types.h>

struct dattobd_device;
struct work_struct;

/* What holds of the clean record in a device's COW file. */
enum seal {
	SEAL_OPEN, /* there is none */
	SEAL_MAKING, /* it is being written; every write to the origin is held */
	SEAL_WHOLE, /* it is valid; the first write that comes is held until it is gone */
	SEAL_LOADING, /* it is being read; a write that comes passes, and spoils it */
};

/**
 * seal_is_shut() - Is the filesystem not mounted here, as far as is known? Then each write is held
 * until it is proved that nobody else wrote to it.
 *
 * Context: core_lock.
 * Return: false on a failed device, whose writes are nobody's concern.
 */
bool seal_is_shut(struct dattobd_device *dev);

/** seal_shut() - It is not, from now on. Context: Any. */
void seal_shut(struct dattobd_device *dev);

/** seal_admit() - It is again: have that proved, if it is not. Context: control_lock(). */
void seal_admit(struct dattobd_device *dev);

/**
 * seal_begin() - Begin to note what is written.
 *
 * Context: Process context, the filesystem is frozen, writes are seen already.
 * Return: 0, or an error of the disk.
 */
int seal_begin(struct dattobd_device *dev);

/**
 * seal_prove() - Before a raw write to the COW file that no write to the origin is the reason of:
 * its blocks may be somebody else's, if its filesystem is not mounted here.
 *
 * Context: Process context. May sleep.
 * Return: 0; -errno, and the device has failed.
 */
int seal_prove(struct dattobd_device *dev);

/**
 * seal_take() - Decide about a write while the seal is not open, or the filesystem not mounted.
 *
 * Context: core_lock.
 * Return: true if it is held.
 */
bool seal_take(struct dattobd_device *dev);

/**
 * seal_let_go() - Before held writes are looked at: if there are any, break the seal, or prove that
 * nobody wrote elsewhere.
 *
 * Context: The tracker's worker.
 * Return: false if there is none, and those that come are held.
 */
bool seal_let_go(struct dattobd_device *dev);

/** seal_make() - Write the clean record, if that is wanted. Context: The tracker's worker. */
void seal_make(struct dattobd_device *dev);

/**
 * seal_apply() - See to it that the COW file has a clean record.
 * @timeout: how long to wait for it, jiffies; it may be written later all the same
 *
 * Context: control_lock(). May sleep.
 * Return: 0; -%EBUSY if the origin is being written to; -%ENOSPC if the file has no room;
 * -%ETIMEDOUT; -%EINTR if the caller was killed; -errno. All but -%EBUSY and -%ETIMEDOUT are
 * logged.
 */
int seal_apply(struct dattobd_device *dev, long timeout);

/**
 * seal_open() - Remove the clean record, and the wish for one, before the device or its file is
 * changed.
 *
 * Context: control_lock(). May sleep.
 * Return: 0; -%EINTR if the caller was killed; the error of a failed device.
 */
int seal_open(struct dattobd_device *dev);

/*
 * control/watch.c: what no write and no ioctl tells: that a filesystem was mounted, unmounted, remounted,
 * that the machine goes down
 */

void watch_work(struct work_struct *work);

/** watch_kick() - Look soon. Context: any. */
void watch_kick(struct dattobd_device *dev);

/** watch_hibernating() - Does the machine go down to come back with the memory it has now? */
bool watch_hibernating(void);

/** watch_active() - Has a reloaded device's origin been mounted read-write since? */
bool watch_active(struct dattobd_device *dev);

int watch_init(void);
void watch_exit(void);

/**
 * reload() - Go on tracking where a clean record ends. Errors and their order: docs/ABI.md, B4.22
 * to B4.25. If the record is not right, the device exists in the failed state (docs/STATES.md,
 * E.6).
 * @cow: path from the root of the filesystem
 */
int reload(unsigned int minor, const char *origin, const char *cow, u64 cache_bytes,
	   bool snapshot_mode);

#endif
