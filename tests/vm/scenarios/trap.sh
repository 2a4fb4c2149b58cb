# A core that reaches outside its memory, or returns what cannot be right, fails its own device; another device and the machine go on.
. "$PROJECT/tests/vm/guest/lib.sh"
DATTOBD_KO=$DATTOBD_DEBUG_KO
make_origin
make_ext4 /dev/vdb
mkdir -p /mnt/second
mount /dev/vdb /mnt/second
load_module
start_load
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
dbdctl setup-snapshot -f 50 /dev/vdb /mnt/second/cow 1
second=$(checksum /dev/datto1)
echo 0 >/sys/module/dattobd/parameters/debug_trap
failed() { [ "$(field 0 error)" = -131 ]; }
until_true 60 "the failure of the device" failed
step "the trap was caught: error -131"
refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
noise /mnt/second/file 10
same "the second device's error" "$(field 1 error)" ""
[ "$(field 1 nr_changed_blocks)" -gt 2000 ] || die "the second device no longer tracks"
same "the second snapshot" "$(checksum /dev/datto1)" "$second"
sleep 1
stop_load
dbdctl destroy 0

# lie EXPORT RETURNED COMMAND...: with such a core the device fails at that command
noise $MOUNT/file 16
overwrite() { dd if=/dev/urandom of=$MOUNT/file bs=1M count=1 seek=2 oflag=direct conv=notrunc status=none; }
read_snapshot() { ! dd if=/dev/datto0 of=/dev/null bs=1M count=1 skip=100 iflag=direct status=none 2>/dev/null; }
wrong() { dmesg | grep -c "datto: core returned .* from $1, which cannot be right" || true; }
lie() {
	local export=$1 returned=$2 before
	before=$(wrong "$1")
	shift 2
	dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
	echo "0 $export $returned" >/sys/module/dattobd/parameters/debug_lie
	"$@" || die "'$*' went wrong where $export returns $returned"
	until_true 60 "the failure of a device whose $export returns $returned" failed
	[ "$(wrong "$export")" -gt "$before" ] || die "nothing in the kernel's log of $export"
	dbdctl destroy 0
}
lie plan_copy 16384 overwrite			# more runs than there is room for
lie plan_copy 100 overwrite			# runs of other blocks, or none
lie commit_copy 100000 overwrite		# more than was read
lie commit_copy 0 overwrite
lie commit_copy -5000 overwrite			# no errno
lie is_copied 7 overwrite
lie plan_read 33 read_snapshot
lie plan_read 32 read_snapshot			# most of them of no blocks
lie stat -9223372036854775808 field 0 state
seal() { umount $MOUNT; }
lie record_next 40000 seal			# a piece that is larger than what it is copied to
mount $ORIGIN $MOUNT
lie proof_next 99999999 seal			# a block that is not on the volume
mount $ORIGIN $MOUNT
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
dbdctl transition-to-incremental 0
overwrite
# The list of what changed would never end, and the next snapshot is another core's.
echo "0 next_changed_section 0" >/sys/module/dattobd/parameters/debug_lie
timeout 60 node "$PROJECT/dist/dbdctl.mjs" transition-to-snapshot $MOUNT/cow1 0 || say "transition-to-snapshot: status $?"
dmesg | matches "core returned 0 from next_changed_section" || die "nothing in the kernel's log of a list without end"
dbdctl destroy 0
step "lies were caught"
same "the second snapshot, at the end" "$(checksum /dev/datto1)" "$second"
dbdctl destroy 1
umount $MOUNT /mnt/second
check_device $ORIGIN
unload_module

# A kernel in which no bio comes by where they are looked for is noticed at the first set-up.
load_module debug_intercept=submit_bio_wait debug_intercept_else=submit_bio_wait
mount $ORIGIN $MOUNT
refused "No such device or address" dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
dmesg | matches "datto: writes come by neither at" || die "nothing in the kernel's log of bios that do not come by"
same "devices" "$(field 0 state)" ""
[ ! -e $MOUNT/cow ] || die "a set-up that was refused left its COW file behind"
unload_module

# One that can only be intercepted where older kernels are.
load_module debug_intercept=submit_bio_wait
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
before=$(checksum /dev/datto0)
noise $MOUNT/after 4
same "a snapshot by submit_bio_noacct()" "$(checksum /dev/datto0)" "$before"
[ "$(field 0 nr_changed_blocks)" -ge 1024 ] || die "nothing was copied"
dbdctl destroy 0

# A disk whose bios would go to a module that is gone is not tracked.
truncate -s 16M /run/stale
stale=$(losetup --find --show /run/stale)
settle
printf %s "$stale" >/sys/module/dattobd/parameters/debug_stale
refused "No such device or address" dbdctl reload-incremental "$stale" /cow 0
dmesg | matches "bios for $(basename "$stale") go to a module that is not loaded" || die "nothing in the kernel's log of a stale disk"
printf none >/sys/module/dattobd/parameters/debug_stale
dbdctl reload-incremental "$stale" /cow 0
same "a disk that is as it was" "$(field 0 error)" -19
dbdctl destroy 0
losetup -d "$stale"
unload_module
