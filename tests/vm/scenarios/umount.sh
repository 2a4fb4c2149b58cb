# An origin with an active snapshot can be unmounted; the snapshot then reads right, or fails with an error.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
dd if=/dev/urandom of=$MOUNT/file bs=1M count=32 conv=fsync status=none
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before

# right_or_failed WHAT: whatever can be read is what was there at the snapshot; a failed device may answer with EIO
right_or_failed() {
	if [ -n "$(field 0 error)" ]; then
		refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
		step "$1: the device failed with $(field 0 error), reads give EIO"
	else
		copy_device /dev/datto0 $SCRATCH/now || die "$1: reads fail, but no error is told"
		cmp $SCRATCH/before $SCRATCH/now || die "$1: the snapshot has wrong bytes"
		step "$1: every byte is right, state $(field 0 state)"
	fi
}

dd if=/dev/urandom of=$MOUNT/file bs=1M count=16 conv=notrunc,fsync status=none
right_or_failed "after writing"
umount $MOUNT
right_or_failed "unmounted"
mount -o discard $ORIGIN $MOUNT
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=10 count=16 conv=notrunc,fsync status=none
right_or_failed "mounted again and written to"
umount -l $MOUNT
right_or_failed "unmounted lazily"
mount $ORIGIN $MOUNT
mount -o remount,ro $MOUNT
mount -o remount,rw $MOUNT
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=20 count=8 conv=notrunc,fsync status=none
right_or_failed "remounted"
umount $MOUNT
if [ "$FS" = ext4 ]; then e2fsck -fp $ORIGIN >/dev/null || [ $? = 1 ]; fi
right_or_failed "checked offline"
dbdctl destroy 0
check_device $ORIGIN
mount $ORIGIN $MOUNT
dd if=/dev/urandom of=$MOUNT/file bs=1M count=8 conv=fsync status=none
rm -f $MOUNT/cow
dbdctl setup-snapshot -f 50 $ORIGIN $MOUNT/cow 0
same "a new snapshot's error" "$(field 0 error)" ""
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
