# Tracking goes on after the module was unloaded while the origin was not mounted; whatever is wrong with the record is told.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module debug=1
noise $MOUNT/file 32
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before
write_file() { dd if=/dev/urandom of=$MOUNT/file bs=1M "$@" conv=notrunc,fsync status=none; }

# state WHAT WANTED [ERROR]
state() {
	same "$1: error" "$(field 0 error)" "${3-}"
	same "$1: state" "$(field 0 state)" "$2"
}
again() { unload_module; load_module debug=1; }

# A snapshot: reloaded unmounted, mounted, unmounted, reloaded mounted read-only.
write_file count=8
refused "Invalid argument" dbdctl reload-snapshot $ORIGIN /cow 1
umount $MOUNT
before_reload=$(field 0 nr_changed_blocks)
again
[ ! -e /dev/datto0 ] || die "a disk of no snapshot"
dbdctl reload-snapshot $ORIGIN cow 0
state "reloaded" 5
same "unverified: cow_file" "$(field 0 cow_file)" cow
same "unverified: counters" "$(field 0 nr_changed_blocks)$(field 0 uuid)$(field 0 fallocate)" ""
# Q29: what is not known is zero there, whatever the caller passed.
same "unverified: info" "$("$PROGRAMS/client" dattobd_info 0 + | sed -n 1p)" "0 5 0 314572800 0 0 0 0 cow $ORIGIN $(printf '0%.0s' {1..32})"
mount -o discard $ORIGIN $MOUNT
state "mounted" 3
same "mounted: cow_file" "$(field 0 cow_file)" /cow
[ "$(field 0 nr_changed_blocks)" -ge "$before_reload" ] || die "changed blocks were forgotten: $before_reload before"
until_true 60 "/dev/datto0" test -b /dev/datto0
write_file seek=4 count=16
equal $SCRATCH/before /dev/datto0 || die "the reloaded snapshot has wrong bytes"
until_true 60 "the guard" sh -c "! touch $MOUNT/cow 2>/dev/null"
refused "Operation not permitted" rm $MOUNT/cow
step "a reloaded snapshot: every byte is right"
umount $MOUNT
again
blockdev --setro $ORIGIN	# as an initramfs does: xfs writes to its log even if mounted read-only
mount -o ro $ORIGIN $MOUNT
dbdctl reload-snapshot $ORIGIN /cow 0
state "reloaded, mounted read-only" 5
blockdev --setrw $ORIGIN
mount -o remount,rw,discard $MOUNT
state "remounted" 3
write_file seek=20 count=12
until_true 60 "/dev/datto0" test -b /dev/datto0
equal $SCRATCH/before /dev/datto0 || die "the snapshot has wrong bytes after the second reload"
step "reloaded while mounted read-only"

# Incremental: what is written before and after several reloads, by mounts too, is all in the image.
dbdctl transition-to-incremental 0
cp --reflink=always $SCRATCH/before $SCRATCH/image
for n in 1 2 3; do
	write_file seek=$((n * 5)) count=3
	echo $n >$MOUNT/round-$n
	umount $MOUNT
	again
	dbdctl reload-incremental $ORIGIN /cow 0
	state "reloaded incremental $n" 4
	mount -o discard $ORIGIN $MOUNT
	state "mounted incremental $n" 2
done
write_file seek=30 count=2
dbdctl transition-to-snapshot $MOUNT/cow1 0
state "the next snapshot" 3
# Q13: not the size of the file before, which is as small as an index.
same "the next snapshot: size in percent" "$(field 0 cow_size_current)" $(($(blockdev --getsize64 $ORIGIN) * 10 / 100))
update_img_tool /dev/datto0 $MOUNT/cow $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
step "incremental across three reloads: the image is right"

# Destroyed while dormant: the file stays, sealed.
dbdctl transition-to-incremental 0
umount $MOUNT
dbdctl destroy 0
dbdctl reload-incremental $ORIGIN /cow1 0
state "reloaded after destroy" 4
same "reloaded after destroy: checkpoint" "$(field 0 checkpoint)" clean
write_raw() { dd if=/dev/zero of=$ORIGIN bs=512 count=1 oflag=direct conv=notrunc status=none; }

# bad WHAT ERROR STATE COMMAND...: reload succeeds, the device has failed for this reason
bad() {
	local what=$1 error=$2 wanted=$3
	shift 3
	dbdctl "$@" || die "$what: '$*' failed"
	state "$what" "$wanted" "$error"
	dmesg | grep "cannot go on tracking" | tail -1 | matches "full backup" || die "$what: nothing in the kernel's log"
	dbdctl destroy "${!#}"
}
dbdctl reload-incremental $ORIGIN /cow1 1
same "tracked already" "$(field 1 error)" -114
same "failed: checkpoint" "$(field 1 checkpoint)" ""
dbdctl destroy 1
dbdctl destroy 0
bad "missing" -2 4 reload-incremental $ORIGIN /nothing 0
bad "wrong mode" -124 5 reload-snapshot $ORIGIN /cow1 0
bad "no COW file" -22 4 reload-incremental $ORIGIN /file 0
dbdctl reload-incremental $ORIGIN /cow 0
state "a closed file leads to the next one" 4 ""
dmesg | matches "datto: minor 0: tracking went on from /cow to /cow1" || die "the log does not name the next file"
dbdctl destroy 0
bad "no filesystem" -19 4 reload-incremental /dev/vdc /cow1 0
refused "No such file" dbdctl reload-incremental /dev/nothing /cow1 0

# A clean checkpoint is good until the first write, and not longer; it becomes a live one then, which is good until somebody else mounts
# the filesystem, or looks after it. Nobody sees what tools do to an XFS whose log an unmount has ended, so that is not accepted.
dbdctl reload-incremental $ORIGIN /cow1 0
head -c 1M $ORIGIN >$SCRATCH/head
dd if=$SCRATCH/head of=$ORIGIN bs=512 count=1 oflag=direct conv=notrunc,fsync status=none
state "written to" 4
same "written to: checkpoint" "$(field 0 checkpoint)" "$([ "$FS" = xfs ] && echo none || echo live)"
copy_device $ORIGIN $SCRATCH/crashed	# as if the power had failed here
loop=$(losetup --find --show $SCRATCH/crashed)
dbdctl reload-incremental "$loop" /cow1 1
if [ "$FS" = xfs ]; then
	same "a power cut" "$(field 1 error)" -116
else
	same "a power cut" "$(field 1 error)" ""
	dmesg | matches "datto: minor 1: goes on tracking.*after a crash" || die "nothing is said of a power cut"
	dbdctl destroy 1
	mkdir -p /mnt/elsewhere
	echo "mkdir made-there" >/run/commands
	for elsewhere in "mount $loop /mnt/elsewhere" "e2fsck -fy $loop" "tune2fs -c 20 $loop" "debugfs -w -f /run/commands $loop" "mke2fs -Fqt ext4 $loop"; do
		copy_device $SCRATCH/crashed $SCRATCH/now
		losetup -d "$loop"
		loop=$(losetup --find --show $SCRATCH/now)
		# e2fsck exits with 1 if it repaired something.
		$elsewhere >/dev/null 2>&1 || [ "${elsewhere%% *} $?" = "e2fsck 1" ] || die "$elsewhere failed"
		! mountpoint -q /mnt/elsewhere || umount /mnt/elsewhere
		dbdctl reload-incremental "$loop" /cow1 1
		[ "$(field 1 error)" ] || die "$elsewhere: the reload was accepted"
		step "$elsewhere: $(dmesg | grep 'minor 1: cannot go on' | tail -1 | sed 's/^[^]]*] //')"
		dbdctl destroy 1
	done
	dbdctl reload-incremental "$loop" /cow1 1
fi
dbdctl destroy 1
losetup -d "$loop"
step "the clean checkpoint is removed before the first write"
dbdctl destroy 0
dbdctl reload-incremental $ORIGIN /cow1 0
state "sealed again" 4
dbdctl destroy 0

# The power fails soon after a freeze, which leaves a superblock of ext4 that differs in little. A mount elsewhere replays the journal, or the
# log, also a read-only one. Nobody has seen what it wrote.
live() { [ "$(field 0 checkpoint)" = live ]; }
dirty() {
	noise /mnt/third/dirty-$SECONDS 1
	sync
	[ "$(field 0 dirty_regions)" -gt 0 ]
}
# figures MINOR: what is shown of its live checkpoint can be right, and dbdctl shows it too. Of minor 1 no filesystem is mounted: a clean
# checkpoint takes the place of the live one within seconds.
figures() {
	local PROC=$SCRATCH/figures age bytes regions text="live checkpoint is .* old.* dirty region"
	cat /proc/datto-info >$PROC
	if [ "$1" = 1 ]; then text="\($text\|Nothing was written since the checkpoint\)"; fi
	if [ "$1" = 0 ] || [ "$(field 1 checkpoint)" != clean ]; then
		same "minor $1: checkpoint, size of a region" "$(field "$1" checkpoint) $(field "$1" region_bytes)" "live 4194304"
		age=$(field "$1" checkpoint_age_seconds) bytes=$(field "$1" checkpoint_bytes) regions=$(field "$1" dirty_regions)
		[ "$age" -le $SECONDS ] || die "minor $1: the checkpoint is $age s old"
		[ "$bytes" -gt 0 ] && [ $((bytes % 4096)) = 0 ] || die "minor $1: the checkpoint takes $bytes bytes"
		[ "$regions" -le 80 ] || die "minor $1: $regions regions are dirty, of 80"
	fi
	dbdctl_tool status "$1" | matches "$text.* After a crash now .* would be copied again" ||
		die "minor $1: dbdctl status does not show the checkpoint"
}
truncate -s 320M $SCRATCH/third
third=$(losetup --find --show --direct-io=on $SCRATCH/third)
(ORIGIN=$third MOUNT=/mnt/third make_origin >/dev/null)
echo 0 >/sys/module/dattobd/parameters/checkpoint_interval
dbdctl setup-snapshot -f 8 "$third" /mnt/third/cow 0
same "interval 0: checkpoint" "$(field 0 checkpoint)$(field 0 dirty_regions)" none
dbdctl_tool status 0 | matches "no live checkpoint. After a crash now a full backup would be needed" || die "dbdctl does not name the cost"
echo 300 >/sys/module/dattobd/parameters/checkpoint_interval
until_true 20 "a live checkpoint in snapshot mode" live
figures 0
dbdctl transition-to-incremental 0
until_true 20 "a live checkpoint" live
figures 0
echo 0 >/sys/module/dattobd/parameters/checkpoint_interval	# no further one: regions stay dirty
until_true 20 "dirty regions" dirty
noise /mnt/third/some 1
sync
fsfreeze --freeze /mnt/third
fsfreeze --unfreeze /mnt/third
noise /mnt/third/more 1
cp --reflink=always $SCRATCH/third $SCRATCH/crashed
cost=$(($(field 0 dirty_regions) * $(field 0 region_bytes)))
figures 0
none=noload
how=ro
[ "$FS" = ext4 ] || none=norecovery how=nouuid,ro
mkdir -p /mnt/elsewhere

# elsewhere WHAT ERROR COMMAND...: what a reload says after that
elsewhere() {
	cp --reflink=always $SCRATCH/crashed $SCRATCH/now
	loop=$(losetup --find --show $SCRATCH/now)
	"${@:3}" "$loop"
	dbdctl reload-incremental "$loop" /cow 1
	same "$1" "$(field 1 error)" "$2"
	[ "$2" ] || costs
	dbdctl destroy 1
	losetup -d "$loop"
}
costs() {
	local added
	figures 1
	added=$(dmesg | sed -n 's/.*minor 1: goes on tracking.*crash: \([0-9]*\) blocks more.*/\1/p' | tail -1)
	[ $((added * 4096)) -le $cost ] || die "$added blocks were added, and $cost bytes announced"
	step "a crash added $added blocks; announced were $cost bytes"
}
mounts() {
	mount -o "$1" "$2" /mnt/elsewhere
	umount /mnt/elsewhere
}
elsewhere "after nothing" "" true
elsewhere "after a mount that writes nothing" "" mounts $how,$none
elsewhere "after a read-only mount" -116 mounts $how
elsewhere "after a mount" -116 mounts "${how%ro}rw"
if [ "$FS" = xfs ]; then
	elsewhere "after a check that finds the log in use" "" refused "valuable metadata changes in a log" xfs_repair
	elsewhere "after a repair without the log" -116 xfs_repair -L
	elsewhere "after a new filesystem" -2 mkfs.xfs -qf
	# The last record is torn: a mount finds the end of the log before it, and the core behind what is left of it.
	cp --reflink=always $SCRATCH/crashed $SCRATCH/now
	loop=$(losetup --find --show $SCRATCH/now)
	read -r log sectors head < <(xfs_logprint -t "$loop" | awk '/daddr:/ { start = $3; n = $5 } /log tail:/ { print start, n, $5 }')
	dd if="$loop" of="$loop" bs=512 count=1 skip=$((log + (head + 9000) % sectors)) seek=$((log + head - 1)) conv=notrunc,fsync status=none
	dbdctl reload-incremental "$loop" /cow 1
	same "torn" "$(field 1 error)" ""
	mount -o nouuid "$loop" /mnt/elsewhere
	noise /mnt/elsewhere/torn 1
	sync -f /mnt/elsewhere
	same "torn, and mounted" "$(field 1 error) $(field 1 state)" " 2"
	umount /mnt/elsewhere
	dbdctl destroy 1
	losetup -d "$loop"
	step "a record that the power cut has torn: tracking goes on"
fi
echo 300 >/sys/module/dattobd/parameters/checkpoint_interval
dbdctl destroy 0
umount /mnt/third
losetup -d "$third"
step "a read-only mount that replays the journal is noticed, and what tools do"

# A copy of the origin, which is not tracked, on a larger device.
copy_device $ORIGIN $SCRATCH/larger
truncate -s +1M $SCRATCH/larger
loop=$(losetup --find --show $SCRATCH/larger)
dbdctl reload-incremental "$loop" /cow1 0
state "on a larger device" 4
dbdctl destroy 0
losetup -d "$loop"

# Mounted where nobody tracked it.
mount $ORIGIN $MOUNT
umount $MOUNT
bad "mounted elsewhere" -116 4 reload-incremental $ORIGIN /cow1 0
unload_module
check_device $ORIGIN
