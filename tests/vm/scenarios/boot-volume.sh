# A small volume as mkfs makes it by default, as /boot is: blocks of 1 KiB. Kernels come and go on it; it is backed up three times.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
image=$SCRATCH/image
mkfs.ext4 -q $ORIGIN
mkdir -p $MOUNT
mount -o dioread_lock $ORIGIN $MOUNT	# the default before 6.8 where blocks are smaller than a page
same "size of the blocks" "$(stat -f -c %S $MOUNT)" 1024

# kernel N: files of the sizes that a kernel's have, with odd ends
kernel() {
	dd if=/dev/urandom of=$MOUNT/vmlinuz-"$1" bs=1000 count=8123 status=none
	dd if=/dev/urandom of=$MOUNT/initrd.img-"$1" bs=1000 count=31459 status=none
	dd if=/dev/urandom of=$MOUNT/config-"$1" bs=1000 count=259 status=none
	sync -f $MOUNT
}
sums() { (cd "$1" && md5sum vmlinuz-* initrd.img-* config-*); }

# frozen WANTED: the files in the image are those of the snapshot
frozen() {
	mkdir -p /mnt/image
	mount -o ro,loop,noload $image /mnt/image
	[ "$(sums /mnt/image)" = "$1" ] || die "files in the image are not what they were"
	umount /mnt/image
}

kernel 1
kernel 2
# All that is free is holes of 313 KiB, so that most begin and end within a block of 4 KiB.
fallocate -l $((($(stat -f -c %a $MOUNT) - 2048) * 1024)) $MOUNT/filler
for n in $(seq 200); do echo "$((n * 323584)) 320512"; done >/run/holes
while read -r offset bytes; do fallocate -p -o "$offset" -l "$bytes" $MOUNT/filler; done </run/holes
sync -f $MOUNT
load_module
was=$(sums $MOUNT)
dbdctl setup-snapshot -f 50 $ORIGIN $MOUNT/.cow.1 0
odd=$(filefrag -b1024 -v $MOUNT/.cow.1 | awk '$1 ~ /^[0-9]+:$/ && int($4) % 4 { n++ } END { print n + 0 }')
[ "$odd" -gt 60 ] || die "the COW file has $odd extents that begin within a block of 4 KiB, more were wanted"
rm $MOUNT/*-1
kernel 3
for n in $(seq 40); do dd if=/dev/urandom of=$MOUNT/piece-"$n" bs=1024 count=$((n % 5 + 1)) status=none; done
sync -f $MOUNT
copy_device /dev/datto0 $image
frozen "$was"
images zero-in $image $MOUNT/.cow.1 || die "the COW file's own sectors are not zeros in the snapshot"
step "round 1: the copy of the snapshot is right"

for round in 2 3; do
	dbdctl transition-to-incremental 0
	rm $MOUNT/*-$round
	sync -f $MOUNT
	was=$(sums $MOUNT)
	dbdctl transition-to-snapshot -f 50 $MOUNT/.cow.$round 0
	kernel $((round + 2))
	update_img /dev/datto0 $MOUNT/.cow.$((round - 1)) $image
	equal $image /dev/datto0 || die "round $round: the image differs from the snapshot"
	frozen "$was"
	images zero-in $image $MOUNT/.cow.$round || die "round $round: the COW file's own sectors are not zeros in the snapshot"
	rm $MOUNT/.cow.$((round - 1))
	step "round $round: the image is right"
done
same "error" "$(field 0 error)" ""
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
