# Snapshot and tracking go on while the origin is unmounted, checked offline and mounted again; /proc says dormant meanwhile.
# A COW file whose blocks go to somebody else is noticed, and harms nobody.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
noise $MOUNT/file 32
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before

# right WHAT STATE: the snapshot holds what it held at the start, and the device's state is this
right() {
	same "$1: error" "$(field 0 error)" ""
	same "$1: state" "$(field 0 state)" "$2"
	equal $SCRATCH/before /dev/datto0 || die "$1: the snapshot has wrong bytes"
	step "$1: every byte is right, state $2"
}
write_file() { dd if=/dev/urandom of=$MOUNT/file bs=1M "$@" conv=notrunc,fsync status=none; }
check_offline() { if [ "$FS" = ext4 ]; then e2fsck -fp $ORIGIN >/dev/null || [ $? = 1 ]; else xfs_repair $ORIGIN >/dev/null 2>&1; fi; }

write_file count=16
right "after writing" 3
umount $MOUNT
right "unmounted" 1
refused "Invalid argument" dbdctl transition-to-incremental 0
mount -o discard $ORIGIN $MOUNT
write_file seek=10 count=16
right "mounted again and written to" 3
umount -l $MOUNT
until_true 60 "the lazy umount" sh -c "grep -q '\"state\": 1' $PROC"
right "unmounted lazily" 1
mount $ORIGIN $MOUNT
mount -o remount,ro $MOUNT
right "mounted read-only" 1
mount -o remount,rw $MOUNT
write_file seek=20 count=8
right "remounted" 3
unshare -m umount $MOUNT
write_file seek=5 count=8
right "unmounted in another namespace" 3
umount $MOUNT
check_offline
right "checked offline" 1

# Incremental: everything written meanwhile is listed, the mount's own writes too.
mount $ORIGIN $MOUNT
dbdctl transition-to-incremental 0
cp --reflink=always $SCRATCH/before $SCRATCH/image
write_file count=4
umount $MOUNT
same "unmounted in incremental mode: state" "$(field 0 state)" 0
dd if=/dev/urandom of=$SCRATCH/raw bs=4k count=1 status=none
check_offline
mount $ORIGIN $MOUNT
write_file seek=8 count=4
same "mounted in incremental mode: state" "$(field 0 state)" 2
dbdctl transition-to-snapshot -f 60 $MOUNT/cow1 0
update_img /dev/datto0 $MOUNT/cow $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
step "incremental across umount and mount: the image is right"

# Blocks of the COW file that somebody else writes, as a resize or a mkfs may while nothing guards the file.
block=$(filefrag -b4096 -v $MOUNT/cow1 | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 + 20 }')
umount $MOUNT
dd if=$SCRATCH/raw of=$ORIGIN bs=4k seek="$block" oflag=direct conv=notrunc status=none
same "its COW file's blocks given to somebody else: error" "$(field 0 error)" -116
refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
mount $ORIGIN $MOUNT
write_file seek=2 count=20
dd if=$ORIGIN bs=4k skip="$block" count=1 iflag=direct status=none | cmp - $SCRATCH/raw
step "the device failed, the new owner's block is what it wrote"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
