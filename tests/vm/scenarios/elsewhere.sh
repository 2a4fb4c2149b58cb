# Random histories: the volume is unmounted here, or the module goes; another path to the same disk, which the module does not see, does
# something to it or nothing; it comes back. Each ends with an image that equals the snapshot, or with a refusal before anything was
# written to the disk, every byte of which is then what the other path left. ELSEWHERE_ROUNDS and ELSEWHERE_SEED repeat and prolong it.
. "$PROJECT/tests/vm/guest/lib.sh"
ROUNDS=${ELSEWHERE_ROUNDS:-$(rounds 3 30)}
RANDOM=${ELSEWHERE_SEED:=$RANDOM}
say "seed $ELSEWHERE_SEED, $ROUNDS rounds"
make_scratch
load_module debug=1
LUN=$SCRATCH/lun
OTHER=/mnt/other
mkdir -p $MOUNT $OTHER
truncate -s 320M $LUN
ORIGIN=$(losetup --find --show --direct-io=on $LUN)
elsewhere=$(losetup --find --show --direct-io=on $LUN)
force=-f look=ro,norecovery
[ "$FS" = xfs ] || force=-F look=ro,noload

one_of() { local n=$((RANDOM % $#)); shift $n; printf '%s\n' "$1"; }
some_data() { dd if=/dev/urandom of="$1" bs=64k seek=$((RANDOM % 60)) count=$((1 + RANDOM % 8)) conv=notrunc,fsync status=none; }

begin() {
	make_origin "$force" >/dev/null
	noise $MOUNT/file 8
	cow=cow.0
	dbdctl setup-snapshot -f 60 "$ORIGIN" $MOUNT/"$cow" 0
	copy_device /dev/datto0 $SCRATCH/image
	mode=snapshot
}

# next_backup: the image becomes the next snapshot
next_backup() {
	[ "$mode" = incremental ] || dbdctl transition-to-incremental 0
	dbdctl transition-to-snapshot -f 60 "$MOUNT/cow.$round" 0
	update_img /dev/datto0 $MOUNT/"$cow" $SCRATCH/image >/run/update
	equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot in $(images differ $SCRATCH/image /dev/datto0) blocks"
	rm $MOUNT/"$cow"
	cow=cow.$round
	mode=snapshot
}

# What happens elsewhere. Whether that is a write is what its name begins with.
quiet_nothing() { :; }
quiet_look() { mount -o $look "$elsewhere" $OTHER; ls $OTHER >/dev/null; umount $OTHER; }
mounted() {
	mount "$elsewhere" $OTHER
	"$@"
	sync -f $OTHER
	remember
	umount $OTHER
}
remember() { (cd $OTHER && find . -xdev -type f ! -name 'cow*' -exec sha256sum {} +) >/run/sums; }
writes_nothing() { mounted :; }
writes_data() { mounted some_data $OTHER/file; }
writes_files() { mounted some_data $OTHER/elsewhere."$round"; }
# The disk is then as it was while it was mounted.
writes_and_dies() {
	mount "$elsewhere" $OTHER
	some_data $OTHER/file
	remember
	copy_device "$elsewhere" $SCRATCH/left
	umount $OTHER
	copy_device $SCRATCH/left "$elsewhere"
}
take_all() {
	rm -f $OTHER/cow*
	sync -f $OTHER
	fallocate -l $(($(stat -f -c '%a * %S' $OTHER) - (8 << 20))) $OTHER/taker
	dd if=/dev/urandom of=$OTHER/taker bs=1M count=100 conv=notrunc,fsync status=none
}
writes_over_cow_file() { mounted take_all; }
writes_another_filesystem() {
	if [ "$FS" = ext4 ]; then make_ext4 "$elsewhere" -F; else mkfs.xfs -q -f "$elsewhere"; fi
	mounted some_data $OTHER/file
}
writes_another_size() {
	[ "$FS" = ext4 ] || { writes_files; return; }
	resize2fs "$elsewhere" 300M >/run/resize 2>&1 || { e2fsck -fp "$elsewhere" >/dev/null; resize2fs "$elsewhere" 300M >/run/resize 2>&1; }
	mounted :
}

sealed() { dmesg | matches "a checkpoint is written"; }
leaves_soon() { umount $MOUNT; }
leaves_late() { dmesg -C; umount $MOUNT; until_true 60 "a checkpoint" sealed; }
leaves_without_module() {
	umount $MOUNT
	unload_module
	load_module debug=1
	dbdctl "reload-$mode" "$ORIGIN" "/$cow" 0
}
# As a boot without the module: the reload comes after what happens elsewhere.
leaves_and_reloads_later() {
	umount $MOUNT
	unload_module
	later=1
}

# A block is written as it is: the first write that comes here, and no byte changes.
comes_back() {
	cp --reflink=always $LUN $SCRATCH/now
	if [ -n "$later" ]; then
		load_module debug=1
		dbdctl "reload-$mode" "$ORIGIN" "/$cow" 0
	fi
	dd if=$SCRATCH/now of=/run/block bs=4k skip="$block" count=1 status=none
	dd if=/run/block of="$ORIGIN" bs=4k seek="$block" oflag=direct conv=notrunc status=none
}

for round in $(seq 1 "$ROUNDS"); do
	[ -n "$(field 0 minor)" ] || begin
	[ "$mode" = snapshot ] && [ "$(one_of 0 1)" = 1 ] && { dbdctl transition-to-incremental 0; mode=incremental; }
	some_data $MOUNT/file
	leaves=$(one_of leaves_soon leaves_late leaves_without_module leaves_and_reloads_later)
	does=$(one_of quiet_nothing quiet_look writes_nothing writes_data writes_files writes_and_dies writes_over_cow_file \
		writes_another_filesystem writes_another_size quiet_nothing quiet_look)
	what="round $round, $mode, $leaves, $does"
	later=
	block=$(block_of $MOUNT/file)
	$leaves
	$does
	comes_back
	error=$(field 0 error)
	if [ "${does%%_*}" = quiet ]; then
		same "$what: error" "$error" ""
		mount "$ORIGIN" $MOUNT
		some_data $MOUNT/file
		next_backup
		step "$what: goes on, and the image is right"
		continue
	fi
	[ -n "$error" ] || die "$what: accepted"
	dmesg | matches "datto: minor 0: .*full backup" || die "$what: the log does not say that a full backup is needed"
	same "$what: blocks that changed" "$(images differ $LUN $SCRATCH/now)" 0
	mount "$ORIGIN" $MOUNT
	some_data $MOUNT/here
	echo 3 >/proc/sys/vm/drop_caches
	(cd $MOUNT && sha256sum --quiet -c /run/sums) || die "$what: files are not what they were"
	step "$what: refused, error $error"
	dbdctl destroy 0
	umount $MOUNT
	check_device "$ORIGIN"
done
[ -z "$(field 0 minor)" ] || { dbdctl destroy 0; umount $MOUNT; }
losetup -d "$elsewhere" "$ORIGIN"
unload_module
