# Another host reaches the disk too (two loop devices on one file, past the page cache, play one LUN as seen by this host and by the other).
# It mounts the volume and writes while it is not mounted here. That is noticed before this module writes to any block that may be
# the other host's by then, however soon or late it was, and in both modes.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
load_module debug=1
LUN=$SCRATCH/lun
OTHER=/mnt/other
mkdir -p $MOUNT $OTHER
size=$(rounds 128 240) file=$(rounds 50 100) cow=$(rounds 40 60)	# MiB; an XFS is not smaller than 300
[ "$FS" = ext4 ] || size=384 file=$(rounds 100 170)
truncate -s "${size}M" $LUN
dd if=/dev/urandom of=/run/data bs=1M count=8 status=none
ORIGIN=$(losetup --find --show --direct-io=on $LUN)
elsewhere=$(losetup --find --show --direct-io=on $LUN)
force=-f options=()
[ "$FS" = ext4 ] && force=-F

new_data() { dd if=/run/data of="$1" bs=1M conv=fsync status=none; }

# begin MODE [SETUP_OPTION...]: a new filesystem, tracked
begin() {
	make_origin "$force" >/dev/null
	fallocate -l "${file}M" $MOUNT/file
	dd if=/run/data of=$MOUNT/file conv=notrunc,fsync bs=1M status=none
	dbdctl setup-snapshot -f "$cow" "${@:2}" "$ORIGIN" $MOUNT/cow 0
	block=$(block_of $MOUNT/file)
	[ "$1" = snapshot ] || dbdctl transition-to-incremental 0
	dmesg -C
}

sealed() { dmesg | matches "a checkpoint is written"; }
seal() { until_true 60 "a checkpoint" sealed; }

# on_other COMMAND...: with the volume mounted there
on_other() {
	mount "${options[@]}" "$elsewhere" $OTHER
	"$@"
	umount $OTHER
}
overwrites() { dd if=/dev/urandom of=$OTHER/file bs=1M count=4 conv=notrunc,fsync status=none; }
changes_files() {
	overwrites
	new_data $OTHER/from-there
}
# The COW file is removed, and all its blocks, too, become somebody else's.
takes_all() {
	local n=0
	rm -f $OTHER/cow*
	sync -f $OTHER
	while new_data $OTHER/big.$n 2>/dev/null; do n=$((n + 1)); done
	rm -f $OTHER/big.$n
	sync -f $OTHER
	(cd $OTHER && images sum big.*) >/run/sums
}

# noticed WHAT: the device has failed, and says why
noticed() {
	same "$1: error" "$(field 0 error)" -116
	dmesg | matches "datto: minor 0: failed.*elsewhere; a full backup is needed" || die "$1: $(dmesg | grep datto:)"
	step "$1: noticed"
}
untouched() { same "$1: blocks that changed" "$(images differ $LUN $SCRATCH/now)" "$2"; }

# A write that passes the filesystem is the first that comes here. It arrives, and nothing else changes.
one_write() {
	cp --reflink=always $LUN $SCRATCH/now
	write_raw "$ORIGIN" $((block + 100)) 1
	noticed "$1"
	untouched "$1" 1
	dbdctl destroy 0
}

for mode in incremental snapshot; do
	for when in soon late; do
		what="$mode, $when"
		begin $mode
		umount $MOUNT
		[ $when = soon ] || seal
		on_other changes_files
		one_write "$what"

		begin $mode
		umount $MOUNT
		[ $when = soon ] || seal
		on_other takes_all
		mount "$ORIGIN" $MOUNT
		echo x >>$MOUNT/file
		sync
		noticed "$what, mounted again, and the COW file is gone"
		echo 3 >/proc/sys/vm/drop_caches
		[ "$(cd $MOUNT && images sum big.*)" = "$(cat /run/sums)" ] || die "$what: data of the other host were overwritten"
		! dbdctl transition-to-snapshot -f 40 $MOUNT/cow1 0 2>/run/refused || die "$what: the series went on"
		dbdctl destroy 0
		umount $MOUNT
		check_device "$ORIGIN"
	done
done

# Reads of the snapshot push parts of the index out of memory.
begin snapshot -c 1
for n in $(seq 0 24); do dd if=/run/data of=$MOUNT/file bs=4k seek=$((n * file * 10)) count=1 oflag=direct conv=notrunc status=none; done
umount $MOUNT
on_other takes_all
cp --reflink=always $LUN $SCRATCH/now
dd if=/dev/datto0 of=/dev/null bs=1M iflag=direct status=none 2>/dev/null || true
same "a snapshot is read: blocks that changed" "$(images differ $LUN $SCRATCH/now)" 0
write_raw "$ORIGIN" $((block + 100)) 1
noticed "a snapshot is read"
dbdctl destroy 0

# It stays mounted here, read-only, as on the passive node of a pair.
begin incremental
mount -o remount,ro $MOUNT
sleep 2
[ "$FS" = ext4 ] || options=(-o nouuid)
on_other overwrites
options=()
mount -o remount,rw $MOUNT
echo x >>$MOUNT/file
sync
noticed "mounted read-only here"
dbdctl destroy 0
umount $MOUNT

# After a reload that was right.
begin incremental
umount $MOUNT
unload_module
load_module debug=1
dbdctl reload-incremental "$ORIGIN" /cow 0
same "reloaded: error" "$(field 0 error)" ""
on_other changes_files
one_write "after a reload"

# The machine hibernates, and comes back with a filesystem that it believes to be mounted. Processes are frozen meanwhile, so what
# the other host does is played before: a byte behind the superblock changes.
begin incremental
sync
dd if="$elsewhere" of=/run/first bs=4k count=1 iflag=direct status=none
printf x | dd of=/run/first bs=1 seek=4000 conv=notrunc status=none
dd if=/run/first of="$elsewhere" bs=4k oflag=direct conv=notrunc status=none
echo x >>$MOUNT/file
sync
same "before hibernation: error" "$(field 0 error)" ""
echo freezer >/sys/power/pm_test
echo disk >/sys/power/state
echo x >>$MOUNT/file
sync
noticed "back from hibernation"
dbdctl destroy 0
umount $MOUNT

# Nobody wrote: everything goes on. A look from there is no write.
options=(-o "ro,noload")
[ "$FS" = ext4 ] || options=(-o "ro,norecovery")
begin snapshot
copy_device /dev/datto0 $SCRATCH/image
dbdctl transition-to-incremental 0
for when in soon late soon soon; do
	umount $MOUNT
	dmesg -C
	[ $when = soon ] || seal
	on_other ls $OTHER >/dev/null
	mount "$ORIGIN" $MOUNT
	for n in 1 2 3; do dd if=/dev/urandom of=$MOUNT/file bs=64k seek=$((RANDOM % (file * 16))) count=3 conv=notrunc,fsync status=none; done
done
dbdctl transition-to-snapshot -f 30 $MOUNT/cow1 0
update_img /dev/datto0 $MOUNT/cow $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
step "looked at from there: goes on, and the image is right"
dbdctl destroy 0
umount $MOUNT

# Nothing on the volume itself tells who wrote last, if the log is elsewhere.
if [ "$FS" = xfs ]; then
	mkfs.xfs -q -f -l logdev=/dev/vdc "$ORIGIN"
	mount -o logdev=/dev/vdc "$ORIGIN" $MOUNT
	dbdctl setup-snapshot -f 60 "$ORIGIN" $MOUNT/cow 0
	dbdctl transition-to-incremental 0
	new_data $MOUNT/file
	same "a log of its own device, mounted: error" "$(field 0 error)" ""
	dmesg -C
	umount $MOUNT
	# Its last writes may come when the COW file is let go already: then the device fails at once.
	said() { dmesg | matches "is on another device: there is no checkpoint" || [ "$(field 0 error)" = -116 ]; }
	until_true 60 "a word about the log" said
	sleep 4 # looks of the watch
	times=$(dmesg | grep -Ec "is on another device: there is no checkpoint|the log of its filesystem is on another device, so") || true
	same "a log of its own device, unmounted: times it is said" "$times" 1
	mount -o logdev=/dev/vdc "$ORIGIN" $MOUNT
	echo x >>$MOUNT/file
	sync
	same "a log of its own device, mounted again: error" "$(field 0 error)" -116
	dmesg | matches "failed.*the log of its filesystem is on another device.*full backup" || die "nothing is said about the log"
	step "a log on another device: tracked until it is unmounted"
	dbdctl destroy 0
	umount $MOUNT
fi
losetup -d "$elsewhere" "$ORIGIN"
unload_module
