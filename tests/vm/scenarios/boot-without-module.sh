# A checkpoint is not believed once the volume was mounted read-write without the module, whatever was written to it then, and
# however that ended. What the power leaves is played by a copy of the disk, made past the page cache while it is mounted.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
MOUNT_OPTIONS=defaults make_origin
load_module
noise $MOUNT/db 32
dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/image
dbdctl transition-to-incremental 0
umount $MOUNT
unload_module
copy_device $ORIGIN $SCRATCH/clean
dd if=$ORIGIN of=/run/before bs=4k count=4 iflag=direct status=none
step "a checkpoint is written, and the module is gone"

nothing() { :; }
overwrites() {
	local n
	for n in 1 2 3; do dd if=/dev/urandom of=$MOUNT/db bs=4k seek=$((n * 50)) count=10 conv=notrunc,fsync status=none; done
}
# Data that are durable, and nothing else: no transaction has come to the log yet.
overwrites_data() { dd if=/dev/urandom of=$MOUNT/db bs=4k seek=77 count=10 oflag=direct conv=notrunc,fdatasync status=none; }
ends_by_power() { copy_device $ORIGIN $SCRATCH/left; umount $MOUNT; }
ends_by_umount() { umount $MOUNT; copy_device $ORIGIN $SCRATCH/left; }

# without_module WRITES ENDS: what the disk is like then is in $SCRATCH/left
without_module() {
	copy_device $SCRATCH/clean $ORIGIN
	mount $ORIGIN $MOUNT
	"$1"
	"$2"
}

# reload_left: of a disk with that content; leaves the device's error
reload_left() {
	local loop
	loop=$(losetup --find --show --direct-io=on $SCRATCH/left)
	dbdctl reload-incremental "$loop" /cow 0
	error=$(field 0 error)
	dbdctl destroy 0
	losetup -d "$loop"
}

load_module
for writes in nothing overwrites overwrites_data; do
	for ends in ends_by_power ends_by_umount; do
		what="$writes, $ends"
		without_module $writes $ends
		dd if=$SCRATCH/left of=/run/after bs=4k count=4 status=none
		cmp -s /run/before /run/after && what="$what, the first blocks as before"
		dmesg -C
		reload_left
		same "$what: error" "$error" -116
		dmesg | matches "cannot go on tracking.*changed while nobody tracked it; a full backup is needed" || die "$what: the log does not say why"
		step "$what: refused"
	done
done

copy_device $SCRATCH/clean $ORIGIN
dbdctl reload-incremental $ORIGIN /cow 0
same "nobody mounted it: error" "$(field 0 error)" ""
mount $ORIGIN $MOUNT
overwrites
dbdctl transition-to-snapshot -f 60 $MOUNT/cow1 0
update_img /dev/datto0 $MOUNT/cow $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
step "nobody mounted it: goes on, and the image is right"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
