# The COW file is found by what it is, not by its name: a folder above it is renamed, or something is mounted over it, and every
# request does to it what it should. Where the list of what changed cannot be written to it, the request fails.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
modprobe dm-mod
sectors=$(blockdev --getsz $ORIGIN)
dmsetup create origin --table "0 $sectors linear $ORIGIN 0"
disk=$ORIGIN
ORIGIN=/dev/mapper/origin
make_origin
load_module debug=1
write_file() { dd if=/dev/urandom of=$MOUNT/file bs=1M "$@" conv=notrunc,fsync status=none; }
write_file count=24

# updated WHAT LIST: the image of the snapshot before, brought up to date by that list, is the snapshot now
updated() {
	update_img /dev/datto0 "$2" $SCRATCH/image >/run/update-img || die "$1: $(cat /run/update-img)"
	equal $SCRATCH/image /dev/datto0 || die "$1: the updated image differs from the snapshot"
	images covers $SCRATCH/before $SCRATCH/image "$2" || die "$1: a write was missed"
	step "$1: the image is right"
}

for mode in snapshot incremental; do
	mkdir -p $MOUNT/folder/below
	dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/folder/below/cow 0
	copy_device /dev/datto0 $SCRATCH/before
	cp --reflink=always $SCRATCH/before $SCRATCH/image
	[ $mode = snapshot ] || dbdctl transition-to-incremental 0
	mv $MOUNT/folder $MOUNT/renamed
	echo 2 >/proc/sys/vm/drop_caches	# the names that the kernel remembers
	write_file seek=4 count=3
	[ $mode = incremental ] || dbdctl transition-to-incremental 0
	same "renamed in $mode mode: the COW file was cut" "$(stat -c %s $MOUNT/renamed/below/cow)" "$(field 0 cow_size_current)"
	dbdctl transition-to-snapshot -f 40 $MOUNT/cow2 0
	same "renamed in $mode mode: error" "$(field 0 error)" ""
	updated "renamed in $mode mode" $MOUNT/renamed/below/cow
	dbdctl destroy 0
	[ ! -e $MOUNT/cow2 ] || die "renamed in $mode mode: destroy left the COW file behind"
	rm -r $MOUNT/renamed $SCRATCH/image*
done

mkdir $MOUNT/folder
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/folder/cow 0
mv $MOUNT/folder $MOUNT/renamed
dbdctl destroy 0
[ ! -e $MOUNT/renamed/cow ] || die "renamed: destroy left the COW file behind"

dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/renamed/cow 0
copy_device /dev/datto0 $SCRATCH/before
cp --reflink=always $SCRATCH/before $SCRATCH/image
mount -t tmpfs none $MOUNT/renamed
dbdctl transition-to-incremental 0
write_file seek=9 count=3
dbdctl transition-to-snapshot -f 20 $MOUNT/cow2 0
umount $MOUNT/renamed
updated "hidden by a mount" $MOUNT/renamed/cow
dbdctl transition-to-incremental 0

# Its blocks cannot be written to any more.
block=$(block_of $MOUNT/cow2)
from=$(((block + 1) * 8)) to=$(((block + 2) * 8))
dmsetup reload origin <<-TABLE
	0 $from linear $disk 0
	$from 8 error
	$to $((sectors - to)) linear $disk $to
TABLE
dmsetup suspend --nolockfs origin
dmsetup resume origin
write_file seek=2 count=1
refused "Input/output error" dbdctl transition-to-snapshot -f 20 $MOUNT/cow3 0
dmesg | matches "the list of what changed before this snapshot could not be written to /cow2" || die "nothing in the kernel's log"
same "the list is lost: the device" "$(field 0 state) $(field 0 seq_id) $(field 0 error)" "3 3 "
dd if=/dev/datto0 of=/dev/null bs=1M status=none skip=1 count=1
[ ! -e $MOUNT/cow2 ] || ! images listed $MOUNT/cow2 $((sectors * 512)) || die "a list that is not whole can be read"
step "a list that is lost is an error"
dmsetup reload origin --table "0 $sectors linear $disk 0"
dmsetup suspend --nolockfs origin
dmsetup resume origin
dbdctl destroy 0

# The block of the checkpoint cannot be written to any more.
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow4 0
dbdctl transition-to-incremental 0
from=$(($(block_of $MOUNT/cow4) * 8)) to=$((from + 8))
umount $MOUNT
until_true 60 "the checkpoint" sh -c "dmesg | grep -q 'a checkpoint is written'"
modprobe -q dm-flakey || true
dmsetup reload origin <<-TABLE
	0 $from linear $disk 0
	$from 8 flakey $disk $from 0 1 1 error_writes
	$to $((sectors - to)) linear $disk $to
TABLE
dmsetup suspend --nolockfs origin
dmsetup resume origin
mount $ORIGIN $MOUNT
has_failed() { [ "$(field 0 error)" = -5 ]; }
until_true 60 "the error" has_failed
dmesg | matches "the checkpoint in /cow4 could not be removed, do not reload it" || die "nothing in the kernel's log"
write_file seek=3 count=1
step "a checkpoint that cannot be removed fails the device"
dmsetup reload origin --table "0 $sectors linear $disk 0"
dmsetup suspend --nolockfs origin
dmsetup resume origin
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
dmsetup remove origin
