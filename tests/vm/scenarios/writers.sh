# Every kind of write is seen: the snapshot stays as it was, and the index lists what changed.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch

# The origin is a partition, so that it can be written through the whole disk too.
echo '2048,900000' | sfdisk -q --no-reread --no-tell-kernel /dev/vdc
until_true 60 "reading the partition table" blockdev --rereadpt /dev/vdc
settle
ORIGIN=/dev/vdc1
start=$(cat /sys/class/block/vdc1/start)
# Left uninitialized, until the snapshot is there.
lazy=()
[ "$FS" = xfs ] || lazy=(-E lazy_itable_init=1)
MOUNT_OPTIONS=discard${lazy:+,noinit_itable} make_origin "${lazy[@]}"
load_module

# Files that exist before the snapshot, so that writes to them are writes to blocks that it must keep.
cd $MOUNT
for file in whole-disk swap loop small zeroes punched trimmed; do
	noise $file 8
done
mkswap -q swap 2>/dev/null || mkswap swap >/dev/null
chmod 600 swap
sync
dbdctl setup-snapshot -f 128 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before

# unmoved WHAT: the snapshot is as it was, and more blocks than before are noted as changed
noted=$(field 0 nr_changed_blocks)
unmoved() {
	local now
	sync
	equal $SCRATCH/before /dev/datto0 || die "$1: the snapshot moved"
	now=$(field 0 nr_changed_blocks)
	[ "$now" -ge $((noted + $2)) ] || die "$1: $((now - noted)) blocks were noted, expected at least $2"
	step "$1: the snapshot did not move; $((now - noted)) blocks noted"
	noted=$now
	same "error" "$(field 0 error)" ""
}

block=$(filefrag -b4096 -v whole-disk | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }')
dd if=/dev/urandom of=/dev/vdc bs=4096 seek=$((start / 8 + block)) count=64 oflag=direct conv=notrunc status=none
unmoved "whole-disk write over a tracked partition" 64

swapon swap
"$PROGRAMS/swapout" 6 || die "swapping to a file on the origin went wrong"
swapoff swap
unmoved "swap to a file on the origin" 768

loop=$(losetup --find --show --direct-io=on loop)
dd if=/dev/urandom of="$loop" bs=64k count=32 oflag=direct status=none
losetup -d "$loop"
unmoved "loop device on a file of the origin" 512

dd if=/dev/urandom of=small bs=512 seek=1001 count=1 oflag=direct conv=notrunc status=none
unmoved "one write of 512 bytes" 1

# In pieces: what xfs writes to its log for a single one may lie in a block that is noted already.
for piece in $(seq 0 128 4095); do fallocate --zero-range --offset "${piece}k" --length 64k zeroes; done
unmoved "fallocate zero range" 1
block=$(filefrag -b4096 -v zeroes | awk '$1 ~ /^[0-9]+:$/ { sub(/\.\..*/, "", $4); last = $4; n = $6; } END { print last }')
blockdev_offset=$((block * 4096))
fallocate --punch-hole --offset 0 --length 4M punched
rm trimmed
sync
fstrim $MOUNT
unmoved "punched, deleted and trimmed" 1

# A zeroing request to the device itself, where the file's own last extent lies.
blkdiscard -f -z -o $blockdev_offset -l 65536 $ORIGIN
unmoved "zeroing request to the device" 16

if [ "$FS" = ext4 ]; then
	initialized() { dumpe2fs $ORIGIN 2>/dev/null | awk '/^Group [0-9]/ { all++; done += /ITABLE_ZEROED/ } END { exit !all || done < all }'; }
	! initialized || die "there is nothing left to initialize"
	mount -o remount,init_itable=0 $MOUNT
	until_true 60 "the initialization of the inode tables" initialized
	unmoved "ext4 initializes inode tables in the background" 1000
fi

cd /
dbdctl transition-to-incremental 0
dd if=/dev/urandom of=$MOUNT/small bs=512 seek=9 count=1 oflag=direct conv=notrunc status=none
blkdiscard -f -z -o $((blockdev_offset + 65536)) -l 65536 $ORIGIN
block=$(filefrag -b4096 -v $MOUNT/whole-disk | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }')
dd if=/dev/urandom of=/dev/vdc bs=512 seek=$((start + block * 8 + 1000)) count=3 oflag=direct conv=notrunc status=none
dbdctl transition-to-snapshot $MOUNT/cow.2 0
cp --reflink=always $SCRATCH/before $SCRATCH/image
update_img_tool /dev/datto0 $MOUNT/cow $SCRATCH/image | tail -1
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
images covers $SCRATCH/before $SCRATCH/image $MOUNT/cow || die "a write was missed"
rm $MOUNT/cow
dbdctl destroy 0
umount $MOUNT
unload_module
