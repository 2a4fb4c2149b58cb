/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracked volume, as bios meet it. Each part is its file's own; a request owns the whole
 * (control/device.h).
 *
 * Locks, outermost first:
 *   minor_lock()      one request or look of the watch at a time for each minor
 *                     (control/devices.c)
 *   switch_group.lock  who thaws the members of a group (control/switch.c)
 *   growth.mutex      one growth of the COW file at a time (control/grow_cow.c)
 *   the right to write  to the origin's filesystem: a freeze waits for who has it (cow/write.c)
 *   devices_lock      the table of devices, and what control/status.c reads of them
 *   core.io_lock      one section load or write-back at a time, with its I/O (io/sections.c)
 *   proof.lock        one look at the origin's filesystem at a time, with its I/O (io/proof.c)
 *   core.lock         calls into the core, and the decision whether a write may go; irq-safe,
 *                     taken inside an ftrace callback (compat/lock.h)
 *   snapshot.reads_lock  snapshot reads in flight; irq-safe, of the same kind, leaf
 *   ring.lock         copies not yet on disk; irq-safe, leaf
 *   sender.lock       writes on their way to the sender and back; leaf
 *   late.lock         writes that are not decided about yet; irq-safe, raw, leaf
 */
#ifndef DATTOBD_IO_VOLUME_H
#define DATTOBD_IO_VOLUME_H

#include "core/core.h"
#include "cow/file.h"
#include "cow/raw.h"
#include "io/clean.h"
#include "io/deferred.h"
#include "io/fill.h"
#include "io/live.h"
#include "io/noted.h"
#include "io/origins.h"
#include "io/sections.h"
#include "io/sender.h"
#include "io/shutter.h"
#include "io/worker.h"
#include "log.h"

struct cut;
struct proof;
struct snapshot;

/**
 * struct volume
 * @cow: the COW file; NULL before there is one
 * @snap: in snapshot mode; NULL in incremental mode
 * @read_bios, @append_bios: reserves of their own, since the common one may be in the hands of
 * writes that are deferred
 * @writes: raw writes to @cow
 * @cut: under core_lock; see io/cut.h
 */
struct volume {
	struct core core;
	struct origin origin;
	struct cow_file *cow;
	struct snapshot *snap;
	struct cow_writes writes;
	struct bio_set read_bios, append_bios;
	struct worker worker;
	struct deferred deferred;
	struct sender sender;
	struct sections sections;
	struct clean clean;
	struct live live;
	struct shutter shutter;
	struct fill fill;
	struct noted noted;
	struct proof *proof;
	struct cut *cut;
};

#define pr_vol_err(vol, fmt, ...) pr_minor_err((vol)->core.minor, fmt, ##__VA_ARGS__)
#define pr_vol_warn(vol, fmt, ...) pr_minor_warn((vol)->core.minor, fmt, ##__VA_ARGS__)
#define pr_vol_debug(vol, fmt, ...) pr_minor_debug((vol)->core.minor, fmt, ##__VA_ARGS__)

/**
 * volume_init() - Make the parts of a volume that is zeroed but for its origin. volume_exit() frees
 * them, also after an error.
 * @watch: see struct shutter
 */
int volume_init(struct volume *vol, unsigned int minor, struct delayed_work *watch);
void volume_exit(struct volume *vol);

/** volume_stop() - End the worker. Nothing is deferred any more, nor will be. */
void volume_stop(struct volume *vol);

#endif
