#!/bin/bash
# dracut: puts into each initramfs what reloads tracked volumes.
# Installed, with the folder it is in, in /usr/lib/dracut/modules.d by boot/Makefile, which names the other folder.

# With a host's own initramfs, the module's default is to be in it: this folder is there because somebody wants it.
check() { return 0; }

depends() { return 0; }

installkernel() { instmods dattobd; }

install() {
	inst_multiple blkid blockdev mkdir mount sed sh udevadm umount
	inst @FOLDER@/dbdctl /sbin/dbdctl
	inst @FOLDER@/datto-reload /sbin/datto-reload
	inst_dir /etc/datto/dla/mnt
	# Before the root filesystem is checked and mounted.
	# shellcheck disable=SC2154 # set by dracut
	inst_hook pre-mount 01 "$moddir/reload.sh"
}
