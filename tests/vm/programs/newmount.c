// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts without mount(2), as newer tools do:
 *
 *	newmount mount TYPE DEVICE FOLDER	fsopen, fsmount, move_mount
 *	newmount remount ro|rw FOLDER		fspick, fsconfig: the filesystem itself
 *	newmount attribute ro|rw FOLDER		mount_setattr: this mount of it only
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static void mount_new(const char *type, const char *device, const char *folder)
{
	int fs = must(fsopen(type, FSOPEN_CLOEXEC), "fsopen");
	int mnt;

	must(fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0), "fsconfig source");
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "fsconfig create");
	mnt = must(fsmount(fs, FSMOUNT_CLOEXEC, 0), "fsmount");
	must(move_mount(mnt, "", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
}

static void remount(const char *mode, const char *folder)
{
	int fs = must(fspick(AT_FDCWD, folder, FSPICK_CLOEXEC), "fspick");

	must(fsconfig(fs, FSCONFIG_SET_FLAG, mode, NULL, 0), "fsconfig");
	must(fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), "fsconfig reconfigure");
}

static void set_attribute(const char *mode, const char *folder)
{
	struct mount_attr attr = { 0 };

	if (!strcmp(mode, "ro"))
		attr.attr_set = MOUNT_ATTR_RDONLY;
	else
		attr.attr_clr = MOUNT_ATTR_RDONLY;
	must(mount_setattr(AT_FDCWD, folder, 0, &attr, sizeof(attr)), "mount_setattr");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "mount") && argc == 5)
		mount_new(argv[2], argv[3], argv[4]);
	else if (!strcmp(what, "remount") && argc == 4)
		remount(argv[2], argv[3]);
	else if (!strcmp(what, "attribute") && argc == 4)
		set_attribute(argv[2], argv[3]);
	else
		return 2;
	return 0;
}
