/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shutter: the filesystem is not mounted here, so that others may mount it.
 *
 * This module does not see what another host writes, or who has another path to the disk, which
 * they can do without harm only while the filesystem is not mounted here. So as long as it is not,
 * each write is deferred until it is proved that there was no such write (io/proof.c), and only
 * then may this module write to the COW file's blocks, which might be somebody else's by now.
 *
 *   shut when   the filesystem was unmounted (the pin of the COW file is lost), is found mounted
 *               read-only, or the machine hibernates
 *   open when   it is mounted read-write here, the COW file is pinned, and the proof succeeded
 */
#ifndef DATTOBD_IO_SHUTTER_H
#define DATTOBD_IO_SHUTTER_H

#include <linux/types.h>

struct delayed_work;
struct volume;

/**
 * struct shutter
 * @shut: under core_lock; from shut to open in the worker only, which alone lets deferred writes go
 * @foreign: a proof has failed, and no reload would accept the filesystem as it is; the worker's
 * @proved: jiffies, of a write that came while shut; 0 if never
 * @fingerprint: of the filesystem, to which the checkpoint is tied
 * @watch: looks what became of the filesystem
 */
struct shutter {
	bool shut, foreign;
	unsigned long proved;
	u64 fingerprint;
	struct delayed_work *watch;
};

/**
 * shutter_is_shut() - Is the filesystem not mounted here, as far as is known? Then each write is
 * deferred until it is proved that nobody else wrote to it.
 *
 * Context: core_lock.
 * Return: false on a failed device, whose writes are nobody's concern.
 */
bool shutter_is_shut(struct volume *vol);

/** shutter_shut() - It is not, from now on. Context: Any. */
void shutter_shut(struct volume *vol);

/**
 * shutter_begin() - Begin to note what is written.
 *
 * Context: Process context, the filesystem is frozen, writes are seen already.
 * Return: 0, or an error of the disk.
 */
int shutter_begin(struct volume *vol);

/**
 * shutter_prove_now() - Prove that nobody wrote elsewhere, or fail the device.
 * @clean: nor since the checkpoint
 *
 * Return: 0; -errno, and the device has failed.
 */
int shutter_prove_now(struct volume *vol, bool clean);

/**
 * shutter_prove() - Before a raw write to the COW file that no write to the origin is the reason
 * of: its blocks may be somebody else's, if its filesystem is not mounted here.
 *
 * Context: Process context. May sleep.
 * Return: 0; -errno, and the device has failed.
 */
int shutter_prove(struct volume *vol);

/** shutter_look() - Prove it for a write that is deferred, and open. Context: The worker. */
void shutter_look(struct volume *vol);

/** shutter_look_soon() - Let the watch look what became of the filesystem. Context: Any. */
void shutter_look_soon(struct volume *vol);

/** shutter_judge() - A proof has failed: note whether the filesystem is another by now. */
void shutter_judge(struct volume *vol, int err);

/** shutter_why_unproved() - What an error of a proof means, in words. */
const char *shutter_why_unproved(int err);

/** shutter_hibernating() - Does the machine go down to come back with the memory it has now? */
bool shutter_hibernating(void);
void shutter_hibernate(bool begins);

#endif
