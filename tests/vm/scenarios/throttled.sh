# Writers past the filesystem whose rate is limited (io.max of a cgroup): a write that waits for its turn while the mode changes belongs
# to the mode in which it goes on, whenever it was asked for.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
noise $MOUNT/raw 8
block=$(block_of $MOUNT/raw)
dd if=/dev/urandom of=/run/new bs=1M count=2 status=none

mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
echo +io >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/slow
echo "$(cat /sys/class/block/"$(basename $ORIGIN)"/dev) wbps=150000" >/sys/fs/cgroup/slow/io.max

# slow_write MIB: in the background, from that place of the file on
slow_write() {
	(
		echo $BASHPID >/sys/fs/cgroup/slow/cgroup.procs
		exec dd if=/run/new of=$ORIGIN bs=1M seek=$((block * 4096 + $1 * 1048576)) oflag=direct,seek_bytes conv=notrunc status=none
	) &
	WRITER=$!
	sleep 1
}
waits() { kill -0 $WRITER 2>/dev/null || die "$1: the writer has ended already, nothing was tried"; }
area() { dd if="$1" bs=1M skip=$((block * 4096)) count=8 iflag=direct,skip_bytes status=none | sha256sum; }
has_all() { cmp -n 2097152 -i $((block * 4096 + $1 * 1048576)):0 $ORIGIN /run/new || die "what was written at $1 MiB is not there"; }

slow_write 0
dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.1 0
waits "set-up"
before=$(area /dev/datto0)
wait $WRITER
same "snapshot 1, after the write" "$(area /dev/datto0)" "$before"
copy_device /dev/datto0 $SCRATCH/image
has_all 0
step "set-up: the snapshot stays what it was"

slow_write 2
dbdctl transition-to-incremental 0
waits "to incremental"
wait $WRITER
dbdctl transition-to-snapshot -f 60 $MOUNT/cow.2 0
update_img /dev/datto0 $MOUNT/cow.1 $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "to incremental: the image differs from snapshot 2 in $(images differ $SCRATCH/image /dev/datto0) blocks"
has_all 2
step "to incremental: the write is listed"

dbdctl transition-to-incremental 0
slow_write 4
dbdctl transition-to-snapshot -f 60 $MOUNT/cow.3 0
waits "to snapshot"
before=$(area /dev/datto0)
update_img /dev/datto0 $MOUNT/cow.2 $SCRATCH/image
wait $WRITER
same "snapshot 3, after the write" "$(area /dev/datto0)" "$before"
equal $SCRATCH/image /dev/datto0 || die "to snapshot: the image differs from snapshot 3 in $(images differ $SCRATCH/image /dev/datto0) blocks"
has_all 4
step "to snapshot: it stays what it was"

dbdctl transition-to-incremental 0
dbdctl transition-to-snapshot -f 60 $MOUNT/cow.4 0
update_img /dev/datto0 $MOUNT/cow.3 $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the next incremental misses $(images differ $SCRATCH/image /dev/datto0) blocks"
same "error" "$(field 0 error)" ""
step "the next list has it"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
