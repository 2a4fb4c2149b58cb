# A COW file grows while its snapshot is read and its origin written; what cannot grow stays as it was.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
dd if=/dev/urandom of=$MOUNT/file bs=1M count=120 conv=fsync status=none
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/image

refused "Invalid argument" dbdctl expand-cow-file 0 0
refused "No space left on device" dbdctl expand-cow-file 100000 0
refused "No such file or directory" dbdctl expand-cow-file 1 1
same "after refusals: error" "$(field 0 error)" ""
same "after refusals: size" "$(field 0 cow_size_current)" $((20 << 20))

# Open, read and under load: 60 MiB are overwritten, which 20 MiB could not hold.
exec 9</dev/datto0
(while [ ! -e /run/stop ]; do dd if=/dev/datto0 of=/dev/null bs=1M iflag=direct status=none; done) &
dd if=/dev/urandom of=$MOUNT/file bs=1M count=10 conv=notrunc,fsync status=none
dbdctl expand-cow-file 50 0
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=10 count=30 conv=notrunc,fsync status=none &
dbdctl expand-cow-file 50 0
wait %2
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=40 count=20 conv=notrunc,fsync status=none
touch /run/stop
wait %1
exec 9<&-
same "grown: size" "$(field 0 cow_size_current)" $((120 << 20))
same "grown: error" "$(field 0 error)" ""
copy_device /dev/datto0 $SCRATCH/grown
mkdir -p /mnt/old
for image in image grown; do
	options=ro,loop,noload
	[ "$FS" = xfs ] && options=ro,loop,norecovery,nouuid
	mount -o $options $SCRATCH/$image /mnt/old
	md5sum </mnt/old/file >/run/$image.md5
	umount /mnt/old
done
cmp /run/image.md5 /run/grown.md5 || die "the frozen file changed"
step "grown twice under load; the frozen file is what it was"

# The blocks that the file grew by are listed, so that the image is brought up to date in every byte.
dbdctl transition-to-incremental 0
dd if=/dev/urandom of=$MOUNT/file bs=1M seek=100 count=10 conv=notrunc,fsync status=none
dbdctl transition-to-snapshot -f 30 $MOUNT/cow1 0
update_img /dev/datto0 $MOUNT/cow $SCRATCH/image
copy_device /dev/datto0 $SCRATCH/now
cmp $SCRATCH/image $SCRATCH/now || die "the updated image differs from the snapshot"
step "the image is right"
refused "Invalid argument" dbdctl expand-cow-file 1 7000
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
