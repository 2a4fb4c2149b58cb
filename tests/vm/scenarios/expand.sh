# A COW file grows while its snapshot is read and its origin written. What it grows into is preserved if a file lay there at the
# snapshot's instant, also one that was deleted since. What cannot grow stays as it was.
. "$PROJECT/tests/vm/guest/lib.sh"

# frozen IMAGE: a checksum of all files of the filesystem in a copy of the snapshot
frozen() {
	local how=ro,loop,noload
	[ "$FS" = xfs ] && how=ro,loop,norecovery,nouuid
	mkdir -p /mnt/old
	mount -o $how "$1" /mnt/old
	(cd /mnt/old && find . -type f ! -name 'cow*' -exec md5sum {} + | sort -k 2 | md5sum)
	umount /mnt/old
}

make_scratch
MOUNT_OPTIONS=nodiscard make_origin
load_module
noise $MOUNT/file 40
noise $MOUNT/doomed 80
# Free space that is not zero: what was there is nobody's, and an image made before the growth has it.
noise $MOUNT/gone 30
rm $MOUNT/gone
umount $MOUNT
mount -o discard $ORIGIN $MOUNT
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before
frozen $SCRATCH/before >/run/frozen

refused "Invalid argument" dbdctl expand-cow-file 0 0
refused "No space left on device" dbdctl expand-cow-file 100000 0
refused "File too large" dbdctl expand-cow-file 9000000000000 0
refused "File too large" dbdctl expand-cow-file 18446744073709551615 0
refused "No such file or directory" dbdctl expand-cow-file 1 1
refused "Invalid argument" dbdctl expand-cow-file 1 7000
same "after refusals: error" "$(field 0 error)" ""
same "after refusals: size" "$(field 0 cow_size_current)" $((20 << 20))
same "after refusals: size of the file" "$(stat -c %s $MOUNT/cow)" $((20 << 20))

# Open, read and under load: more is overwritten than the file could hold.
exec 9</dev/datto0
(while [ ! -e /run/stop ]; do dd if=/dev/datto0 of=/dev/null bs=1M iflag=direct status=none; done) &
READER=$!
dd if=/dev/urandom of=$MOUNT/file bs=1M count=8 conv=notrunc,fsync status=none
dbdctl expand-cow-file 20 0
dmesg | grep "which blocks were free is not known" && die "the snapshot did not tell what was free"
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=8 count=16 conv=notrunc,fsync status=none &
WRITER=$!
dbdctl expand-cow-file 10 0
wait $WRITER
same "grown: size" "$(field 0 cow_size_current)" $((50 << 20))
same "grown: fallocate stays" "$(field 0 fallocate)" $((20 << 20))
refused "Operation not permitted" truncate -s 0 $MOUNT/cow
refused "Device or resource busy" dbdctl reconfigure -c 1000000 0

# The blocks of a deleted file are handed out: nearly all that is free now is taken.
rm $MOUNT/doomed
sync
free=$(($(stat -f -c '%a * %S' $MOUNT) / 1048576 - 20))
dbdctl expand-cow-file $free 0
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=24 count=16 conv=notrunc,fsync status=none
touch /run/stop
wait $READER
exec 9<&-
dbdctl reconfigure -c 1000000 0
same "grown again: error" "$(field 0 error)" ""
same "grown again: size" "$(field 0 cow_size_current)" $(((50 + free) << 20))
say "COW file of $((50 + free)) MiB, $(field 0 nr_changed_blocks) blocks copied"
copy_device /dev/datto0 $SCRATCH/after
frozen $SCRATCH/after >/run/frozen.after
cmp /run/frozen /run/frozen.after || die "frozen files changed"
step "grown three times; every frozen file is what it was"

# The blocks that the file grew by are listed, so that images are brought up to date in every byte, whenever they were made.
dbdctl transition-to-incremental 0
same "incremental: size of the file" "$(stat -c %s $MOUNT/cow)" "$(field 0 cow_size_current)"
refused "Invalid argument" dbdctl expand-cow-file 1 0
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=40 count=10 conv=notrunc,fsync status=none
dbdctl transition-to-snapshot -f 30 $MOUNT/cow1 0
copy_device /dev/datto0 $SCRATCH/now
for image in before after; do
	update_img /dev/datto0 $MOUNT/cow $SCRATCH/$image
	equal $SCRATCH/$image $SCRATCH/now || die "the image made $image the growth differs from the next snapshot"
done
step "images made before and after the growth are right"
check_filesystem $SCRATCH/now
dbdctl destroy 0

# What another device has free, which the caller sees under the snapshot's name, says nothing about the snapshot.
truncate -s 320M $SCRATCH/other
other=$(losetup --find --show $SCRATCH/other)
if [ "$FS" = ext4 ]; then make_ext4 "$other"; else mkfs.xfs -q "$other"; fi
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow2 0
unshare --mount bash -c "mount --bind $other /dev/datto0 && exec node $PROJECT/dist/dbdctl.mjs expand-cow-file 1 0"
dmesg | matches "which blocks were free is not known, all are preserved: -19" || die "another device was asked what was free"
same "grown without knowing: size" "$(field 0 cow_size_current)" $((21 << 20))
dbdctl destroy 0
losetup -d "$other"
umount $MOUNT
check_device $ORIGIN
unload_module
