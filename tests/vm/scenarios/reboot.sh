# The root filesystem is the origin. Two or ten clean reboots in incremental mode, with writes before, during and after each: the updated
# image equals the snapshot in every byte. Then a snapshot outlives two reboots, and a reboot without a shutdown makes nothing wrong.
. "$PROJECT/tests/vm/guest/lib.sh"
REBOOTS=$(rounds 2 10)
image=$SCRATCH/image

# Run by the initramfs of the next boot.
reload_at_boot() { echo "dbdctl reload-$1 $ORIGIN /$2 0" >$MOUNT/etc/datto/dla/reload_root; }

# some_writes: new files, changed files, deleted files
some_writes() {
	dd if=/dev/urandom of=$MOUNT/file bs=64k seek=$((BOOT * 17)) count=24 conv=notrunc,fsync status=none
	dd if=/dev/urandom of=$MOUNT/boot."$BOOT" bs=4k count=100 status=none
	rm -f $MOUNT/boot.$((BOOT - 2))
	dd if=/dev/urandom of=$MOUNT/direct bs=4k seek=$((BOOT * 5)) count=3 oflag=direct conv=notrunc status=none
}

# after_reboot STATE: the device is there again, and has been since before its origin was mounted
after_reboot() {
	same "after reboot $((BOOT - 1)): error" "$(field 0 error)" ""
	same "after reboot $((BOOT - 1)): state" "$(field 0 state)" "$1"
	step "boot $BOOT: state $1, $(field 0 nr_changed_blocks) blocks changed"
}

scratch_again() { mkdir -p $SCRATCH; mount /dev/vdb $SCRATCH; }

if [ "$BOOT" = 1 ]; then
	make_scratch
	load_module
	noise $MOUNT/file 40
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.1 0
	copy_device /dev/datto0 $image
	dbdctl transition-to-incremental 0
	reload_at_boot incremental cow.1
	some_writes
	step "boot 1: the image is $(($(stat -c %s $image) >> 20)) MiB large; incremental from here on"
	umount $SCRATCH
	reboot_now
elif [ "$BOOT" -le "$REBOOTS" ]; then
	after_reboot 2
	some_writes
	reboot_now
elif [ "$BOOT" = $((REBOOTS + 1)) ]; then
	after_reboot 2
	some_writes
	scratch_again
	cp --reflink=always $image $SCRATCH/before
	dbdctl transition-to-snapshot -f 60 $MOUNT/cow.2 0
	update_img /dev/datto0 $MOUNT/cow.1 $image
	equal $image /dev/datto0 || die "after $REBOOTS reboots: the updated image differs from the snapshot"
	images covers $SCRATCH/before $image $MOUNT/cow.1 || die "a write was missed"
	changed=$(images listed $MOUNT/cow.1 "$(blockdev --getsize64 $ORIGIN)")
	[ "$changed" -lt 60000 ] || die "$changed blocks are listed: that is no incremental backup"
	step "after $REBOOTS reboots: $changed blocks were listed, and the image equals the snapshot"
	check_filesystem $image
	checksum /dev/datto0 >$SCRATCH/sum
	reload_at_boot snapshot cow.2
	some_writes
	umount $SCRATCH
	reboot_now
elif [ "$BOOT" = $((REBOOTS + 4)) ]; then
	# Whether that was in time is not ours to say: it is taken up again, and then right, or a full backup is asked for.
	if [ -n "$(field 0 error)" ]; then
		dmesg | matches "datto: minor 0: .*full backup" || die "after a reboot at once: error $(field 0 error), and nothing in the log"
		step "after a reboot at once: refused, error $(field 0 error)"
	else
		after_reboot 2
		scratch_again
		dbdctl transition-to-snapshot -f 60 $MOUNT/cow.3 0
		update_img /dev/datto0 $MOUNT/cow.2 $image
		equal $image /dev/datto0 || die "after a reboot at once: the updated image differs from the snapshot"
		step "after a reboot at once: the updated image equals the snapshot"
		umount $SCRATCH
	fi
	dbdctl destroy 0
	unload_module
else
	after_reboot 3
	scratch_again
	until_true 60 "/dev/datto0" test -b /dev/datto0
	some_writes
	same "checksum of the snapshot after a reboot and more writes" "$(checksum /dev/datto0)" "$(cat $SCRATCH/sum)"
	step "boot $BOOT: the snapshot's checksum is what it was"
	umount $SCRATCH
	[ "$BOOT" = $((REBOOTS + 3)) ] || reboot_now
	# Incremental again, and a reboot that shuts nothing down: the journal of the filesystem must be replayed.
	dbdctl transition-to-incremental 0
	reload_at_boot incremental cow.2
	sync
	some_writes
	reboot_at_once
fi
