/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch to a snapshot, of one device or of several at one instant: all of them, or none.
 *
 * What differs between a new device (control/setup.c) and one that was incremental
 * (control/to_snapshot.c) is a struct switch_kind; the order of its steps is that of
 * control/switch.c.
 */
#ifndef DATTOBD_CONTROL_SWITCH_H
#define DATTOBD_CONTROL_SWITCH_H

#include "control/epoch.h"

struct client_request;
struct request_member;

/**
 * struct snapshot_switch - One device on its way to a snapshot.
 * @member: what was asked for
 * @dev, @epoch: by @prepare
 * @old_engine, @old_cow: of an incremental device, until they are handed over
 * @seqid: number of the snapshot
 * @changed: see handover_inherit()
 * @frozen: its filesystem is; under the lock of the group
 * @err: the first error after the switch
 */
struct snapshot_switch {
	const struct request_member *member;
	struct dattobd_device *dev;
	struct epoch epoch;
	struct engine *old_engine;
	struct cow_file *old_cow;
	u64 seqid, changed;
	bool frozen;
	int err;
};

/**
 * struct switch_kind - The steps of one device. Each of them but those under core_lock may sleep;
 * each that returns an error (0 or -errno) was undone, or is by @undo.
 * @prepare: all that takes long; after an error nothing is left
 * @catch_up: of a group, the last thing before the first freeze
 * @make_ready: all filesystems are frozen
 * @attempt: before each try of the switch, of which @tries were made
 * @is_quiet: could it switch now? Under core_lock
 * @stay: it could, but another one could not; under core_lock
 * @change: the switch. Under core_lock
 * @settle: the switch was made, and the filesystem is still frozen
 * @finish: it is not any more
 * @undo: there will be no snapshot, and no filesystem is frozen
 * @is_new: no write was tracked before: there are no @catch_up, @attempt, @is_quiet and
 * @stay, and nothing is lost if @undo comes after the switch: one that does not settle undoes all
 */
struct switch_kind {
	int (*prepare)(struct snapshot_switch *s);
	int (*catch_up)(struct snapshot_switch *s);
	int (*make_ready)(struct snapshot_switch *s);
	int (*attempt)(struct snapshot_switch *s, unsigned int tries);
	bool (*is_quiet)(struct snapshot_switch *s);
	void (*stay)(struct snapshot_switch *s);
	void (*change)(struct snapshot_switch *s);
	int (*settle)(struct snapshot_switch *s);
	int (*finish)(struct snapshot_switch *s);
	void (*undo)(struct snapshot_switch *s);
	bool is_new;
};

#define SWITCH_TRIES 16

/**
 * switch_to_snapshots() - Carry out a request for snapshots of all its members.
 *
 * An error before the switch undoes all. After it each device fails by itself, but for new ones.
 * The request's @failed and @taken say what became of it.
 *
 * Context: the minors are locked. Return: 0, or the first error.
 */
int switch_to_snapshots(struct client_request *request, const struct switch_kind *kind);

#endif
