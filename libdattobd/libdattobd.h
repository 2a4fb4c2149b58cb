/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdattobd: the commands of the dattobd driver as functions.
 *
 * Each function opens /dev/datto-ctl, issues one ioctl and closes it again, so a process needs no state and threads
 * need no lock. Each returns 0 unless it says otherwise, or -1 with errno set: by open(2), ENOENT if the driver is
 * not loaded and EACCES without the right to use it, or by the driver. Errnos of the driver that most commands share:
 *
 *   EINVAL   minor out of range, a NULL path, or the device has failed or is in a state that the command does not fit
 *   ENOENT   no device has this minor
 *   EBUSY    the minor is taken (setup, reload), or /dev/datto<minor> is open
 */
#ifndef LIBDATTOBD_H
#define LIBDATTOBD_H

#include <stdint.h>
#include "dattobd.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Starts a snapshot of a mounted block device.
 *
 * minor: of the new device, /dev/datto<minor>
 * bdev: path of the block device
 * cow: path of the COW file, which is created on the filesystem that is mounted from the block device
 * fallocated_space: size of the COW file in MiB, 0 for the driver's default
 * cache_size: limit of the index cache in bytes, 0 for the driver's default
 */
int dattobd_setup_snapshot(unsigned int minor, char *bdev, char *cow,
			   unsigned long fallocated_space, unsigned long cache_size);

/*
 * Continues a snapshot after the module was unloaded or the machine was down, before the block
 * device is mounted read-write. Writes are tracked from this call on. Returns 0 even if tracking
 * cannot continue; the device then exists in the failed state, see dattobd_info().
 *
 * cow: path of the COW file from the root of its filesystem
 * The rest is as in dattobd_setup_snapshot().
 */
int dattobd_reload_snapshot(unsigned int minor, char *bdev, char *cow, unsigned long cache_size);

/* Continues an incremental; as dattobd_reload_snapshot(). */
int dattobd_reload_incremental(unsigned int minor, char *bdev, char *cow, unsigned long cache_size);

/* Ends a device, whatever its state. */
int dattobd_destroy(unsigned int minor);

/* Gives up the snapshot, and notes only which blocks change from now on. */
int dattobd_transition_incremental(unsigned int minor);

/*
 * Starts the next snapshot of an incremental's series.
 *
 * cow: path of the new COW file, another one than the current
 * fallocated_space: its size in MiB, 0 for the size of the one before
 */
int dattobd_transition_snapshot(unsigned int minor, char *cow, unsigned long fallocated_space);

/*
 * Starts snapshots of several mounted block devices at one instant: of all of them, or of none.
 *
 * count: number of members, at most DATTOBD_GROUP_MAX
 * members: for each the parameters of dattobd_setup_snapshot(); paths are given by their address, (uintptr_t)path
 * failed: result: index of the member that was refused or failed, count if it was no single one; may be NULL
 * taken: result: 1 if the snapshots were taken, else 0 and nothing has changed; may be NULL
 *
 * If it fails and taken is 1, the member failed after the instant; the others are snapshots, unless their state says
 * otherwise.
 */
int dattobd_setup_snapshot_group(unsigned int count, struct snapshot_group_member *members,
				 unsigned int *failed, int *taken);

/*
 * Starts the next snapshots of several incrementals at one instant: of all of them, or of none.
 *
 * members: for each the parameters of dattobd_transition_snapshot(); bdev and cache_size are 0
 * The rest is as in dattobd_setup_snapshot_group().
 */
int dattobd_transition_snapshot_group(unsigned int count, struct snapshot_group_member *members,
				      unsigned int *failed, int *taken);

/* Sets the limit of the index cache, in bytes; 0 for the driver's default. */
int dattobd_reconfigure(unsigned int minor, unsigned long cache_size);

/*
 * Reports the state of a device.
 *
 * info: filled in on success, of no meaning after a failure; EINVAL if it is NULL
 */
int dattobd_info(unsigned int minor, struct dattobd_info *info);

/* Adds size MiB to the COW file of an active snapshot. */
int dattobd_expand_cow_file(unsigned int minor, uint64_t size);

/*
 * Lets the COW file of an active snapshot grow by itself.
 *
 * step_size: MiB to add at a time, 0 for no growth
 * reserved_space: MiB of the filesystem that must stay free
 */
int dattobd_reconfigure_auto_expand(unsigned int minor, uint64_t step_size,
				    uint64_t reserved_space);

/*
 * Finds the lowest minor that no device has. Another process may take it before its finder does.
 *
 * Returns the minor, or -1 with errno set: ENOENT if all are taken, or if the driver is not loaded.
 */
int dattobd_get_free_minor(void);

#ifdef __cplusplus
}
#endif

#endif /* LIBDATTOBD_H */
