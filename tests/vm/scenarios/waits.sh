# Nobody waits for what may never come where no signal reaches: the thaw of a frozen filesystem, a disk that does not answer. Such a
# request can be killed, and what it was about is as before, or gets done later by its thread in the kernel. The limits here are shorter
# than the minute that the module gives to old writes, which would end a wait that nobody can end.
. "$PROJECT/tests/vm/guest/lib.sh"
load_module
modprobe -q dm-delay || true

# A disk that, where some blocks of a file lie, answers as late as wanted.
disk=$ORIGIN
ORIGIN=/dev/mapper/late
sectors=$(blockdev --getsz $disk)
dmsetup create late --table "0 $sectors linear $disk 0"
make_origin
noise $MOUNT/late 16
late_block=2048		# of the file; not at its begin, where udev may look for signatures
first=$(block_of $MOUNT/late)
late=$(((first + late_block) * 8))
late_sectors=8192
late_for() { # MILLISECONDS [MILLISECONDS]: what a read of these sectors takes, and a write
	local end=$((late + late_sectors))
	printf '%s\n' "0 $late linear $disk 0" "$late $late_sectors delay $disk $late $1 $disk $late ${2:-0} $disk $late 0" \
		"$end $((sectors - end)) linear $disk $end" | dmsetup reload late
	dmsetup suspend --nolockfs late
	dmsetup resume late
}
for_ever=1000000

frozen() { until_true 20 "a freeze" timeout 20 fsfreeze -f $MOUNT; } # again, where a set-up is just at it
gone() { [ ! -d /proc/"$1" ] || grep -qs '^State:.[ZX]' /proc/"$1"/status; }
request() { "$PROGRAMS/dbdctl" "$@" >/run/request 2>&1 & request=$!; }
ends_when_killed() { # WHAT
	kill -KILL $request 2>/dev/null || true
	until_true 10 "the end of a request that was killed ($1)" gone $request
	wait $request 2>/dev/null || true
}
# Sets $threads to the stacks of the threads of requests about minor 0. It is asked again and again, and starts no program.
find_threads() {
	local comm name
	threads=()
	for comm in /proc/[0-9]*/comm; do
		{ read -r name <"$comm"; } 2>/dev/null || continue
		[ "$name" != datto_req0 ] || threads+=("${comm%comm}stack")
	done
}
in_function() {
	local stack
	find_threads
	for stack in "${threads[@]}"; do
		if grep -qsE "$1" "$stack"; then return; fi
	done
	return 1
}
none_left() {
	find_threads
	[ ${#threads[@]} = 0 ]
}
over() { until_true 20 "the end of the thread of a request that was killed" none_left; }
waits() { # WHAT FUNCTION: the request's thread comes to that function, is there after a while, and then the request dies at once
	until_true 60 "the wait in $2 ($1; $(cat /run/request))" in_function "$2"
	sleep 2
	in_function "$2" || die "$1 did not wait in $2: $(cat /run/request)"
	ends_when_killed "$1"
}
# overwrite N: the n-th late block, past the page cache, by a process whose number is in $writer
overwrite() {
	dd if=/dev/urandom of=$MOUNT/late bs=4k seek=$((late_block + $1)) count=1 oflag=direct conv=notrunc status=none &
	writer=$!
	sleep 1
	if gone $writer; then die "the write did not wait for its old content"; fi
}

# The file in the snapshot. Not all of it: free space that the COW file grows into reads as zeros.
take_before() { before=$(file_now); }
file_now() { dd if=/dev/datto0 bs=1M skip=$((first * 4096)) count=16 iflag=direct,skip_bytes status=none | md5sum; }
unmoved() { same "the file in the snapshot" "$(file_now)" "$before"; }

# A freeze that comes in the middle of a set-up waits while the file is being made. Then the set-up fails and waits for the thaw, to
# remove the file, or has ended already.
for _ in 1 2 3; do
	request setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
	until_true 20 "the COW file" test -e $MOUNT/cow
	frozen
	sleep 0.5
	ends_when_killed "set-up, frozen in the middle"
	dbdctl_tool status >/dev/null
	fsfreeze -u $MOUNT
	over
	[ "$(field 0 state)" != 3 ] || dbdctl destroy 0
	[ ! -e $MOUNT/cow ] || die "a set-up that was killed left its COW file behind"
done
step "frozen in the middle of a set-up"

# A freeze in the middle of a growth.
dbdctl setup-snapshot -f 12 $ORIGIN $MOUNT/cow 0
take_before
dbdctl reconfigure-auto-expand 4 0
for part in 0 1 2 3; do
	dd if=/dev/urandom of=$MOUNT/late bs=1M seek=$((part * 2)) count=2 oflag=direct conv=notrunc status=none &
	frozen
	refused "Device or resource busy" timeout 20 "$PROGRAMS/dbdctl" reconfigure-auto-expand 4 0
	timeout 20 "$PROGRAMS/dbdctl" reconfigure-auto-expand 0 0
	refused "Device or resource busy" timeout 20 "$PROGRAMS/dbdctl" destroy 0
	fsfreeze -u $MOUNT
	wait $!
	dbdctl reconfigure-auto-expand 4 0
done
until_true 20 "the growth of the COW file" sh -c "[ \$(stat -c %s $MOUNT/cow) -gt $((12 << 20)) ]"
same "frozen in the middle of a growth: error" "$(field 0 error)" ""
unmoved
dbdctl destroy 0
step "frozen in the middle of a growth"

dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
take_before
dbdctl expand-cow-file 8 0 # asks what was free, which reads the snapshot
late_for $for_ever
dd if=/dev/datto0 of=/dev/null bs=4k skip=$((late / 8)) count=1 iflag=direct status=none &
reader=$!
sleep 1
request expand-cow-file 8 0
waits "expand, behind a read of the snapshot" snapshot_drain_reads
same "an expand that was killed: error" "$(field 0 error)" ""
late_for 0
wait $reader
dbdctl expand-cow-file 8 0
same "the COW file after it" "$(field 0 cow_size_current)" "$(stat -c %s $MOUNT/cow)"
unmoved
step "expand behind a read that does not end"

late_for $for_ever
overwrite 0
request transition-to-incremental 0
waits "transition to incremental, behind a write" worker_drain_deferred
same "a transition that was killed: error" "$(field 0 error)" ""
same "a transition that was killed: state" "$(field 0 state)" 3
late_for 0
wait $writer
unmoved
late_for $for_ever
overwrite 1
request destroy 0
waits "destroy, behind a write" worker_drain
dbdctl_tool status >/dev/null
late_for 0
wait $writer
dbdctl destroy 0
[ ! -e $MOUNT/cow ] || die "destroy left the COW file behind"
step "transition and destroy behind a write that does not end"
umount $MOUNT
check_device $ORIGIN

# What the filesystem itself waits for, in the freeze at a switch: a block that may be written in place does not get there.
mount $ORIGIN $MOUNT
dirty() { # N: the n-th late block, in memory until a freeze wants it on the disk
	late_for 0 $for_ever
	dd if=/dev/urandom of=$MOUNT/late bs=4k seek=$((late_block + $1)) count=1 conv=notrunc status=none
}
answers() { # the disk does, and the freeze that was left alone ends in a thaw
	late_for 0
	over
	until_true 20 "the thaw" timeout 20 sh -c "echo thawed >$MOUNT/thawed"
	sync -f $MOUNT
}
dirty 3
request setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
waits "set-up, in its freeze" "freeze_bdev|bdev_freeze"
same "devices after a set-up that was killed" "$(field 0 state)" ""
refused "is in use" rmmod dattobd
# Others do not wait for it, and who does can be killed.
request setup-snapshot -f 40 $ORIGIN $MOUNT/cow1 0
waits "a set-up behind it" minor_lock
truncate -s 64M /run/other
other=$(losetup -f --show /run/other)
make_ext4 "$other"
mkdir -p /run/other.mounted
mount "$other" /run/other.mounted
timeout 60 "$PROGRAMS/dbdctl" setup-snapshot -f 8 "$other" /run/other.mounted/cow 1
same "another device meanwhile" "$(field 1 state)" 3
settle
timeout 60 "$PROGRAMS/dbdctl" destroy 1
umount /run/other.mounted
losetup -d "$other"
answers
same "devices after it has ended" "$(field 0 state)" ""
[ ! -e $MOUNT/cow ] || die "a set-up that was killed in its freeze left its COW file behind"

dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
take_before
dd if=/dev/urandom of=$MOUNT/late bs=4k seek=$((late_block + 3)) count=2 oflag=direct conv=notrunc status=none
dirty 3
request transition-to-incremental 0
waits "transition to incremental, in its freeze" "freeze_bdev|bdev_freeze"
same "a transition that was killed in its freeze: error" "$(field 0 error)" ""
same "a transition that was killed in its freeze: state" "$(field 0 state)" 3
answers
unmoved
same "that transition, later: state" "$(field 0 state)" 3
dbdctl transition-to-incremental 0
dirty 4
request transition-to-snapshot -f 40 $MOUNT/cow1 0
waits "transition to snapshot, in its freeze" "freeze_bdev|bdev_freeze"
same "the next one that was killed in its freeze: error" "$(field 0 error)" ""
same "the next one that was killed in its freeze: state" "$(field 0 state)" 2
answers
[ ! -e $MOUNT/cow1 ] || die "a transition that was killed in its freeze left its COW file behind"

# What the filesystem itself waits for while it makes the file.
echo 0 >/sys/module/dattobd/parameters/checkpoint_interval # no live checkpoint is made meanwhile
dmsetup suspend --nolockfs late
request transition-to-snapshot -f 40 $MOUNT/cow1 0
waits "transition to snapshot, making its COW file" cow_file_create
same "the next one that was killed while it made its COW file: error" "$(field 0 error)" ""
same "the next one that was killed while it made its COW file: state" "$(field 0 state)" 2
dmsetup resume late
over
[ ! -e $MOUNT/cow1 ] || die "a transition that was killed while it made its COW file left it behind"
dbdctl transition-to-snapshot -f 40 $MOUNT/cow1 0
take_before
same "the file now" "$(dd if=$MOUNT/late bs=1M status=none | md5sum)" "$before"
step "a freeze that does not end"

# The smallest cache has 16 sections of 16 MiB each; what is beyond is written back to the begin of the COW file.
fallocate -l 300M $MOUNT/wide
for mib in $(seq 0 4 299); do
	dd if=/dev/urandom of=$MOUNT/wide bs=4k seek=$((mib * 256)) count=1 oflag=direct conv=notrunc status=none
done
late=$(($(block_of $MOUNT/cow1) * 8))
late_for 0 $for_ever
request reconfigure -c 65536 0
waits "reconfigure, writing the cache back" work_wait
same "a reconfigure that was killed: error" "$(field 0 error)" ""
# What it left at work uses the index, which goes with a switch.
request transition-to-incremental 0
waits "transition to incremental, behind what a reconfigure began" work_wait
same "the state after it" "$(field 0 state)" 3
late_for 0
dbdctl reconfigure -c 65536 0
unmoved
dbdctl transition-to-incremental 0
dbdctl transition-to-snapshot -f 20 $MOUNT/cow2 0
same "both switches after it: error" "$(field 0 error)" ""
tool datto-inspect check $MOUNT/cow1
dbdctl destroy 0
rm $MOUNT/cow1
step "reconfigure behind a write that does not end"

# Copies on their way to the COW file; the write that they were made for has ended. Writers do not stand still for long.
dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
take_before
late=$(($(block_of $MOUNT/cow) * 8))
late_for 0 $for_ever
timeout 20 dd if=/dev/urandom of=$MOUNT/late bs=4k seek=$late_block count=1 oflag=direct conv=notrunc status=none
refused "Device or resource busy" timeout 60 "$PROGRAMS/dbdctl" transition-to-incremental 0
dmesg | matches "datto: minor 0: the switch is given up: writes to .* did not end within 5 s; try again" || die "nothing in the kernel's log of it"
[ "$(field 0 last_freeze_ms)" -lt 20000 ] || die "writers stood still for $(field 0 last_freeze_ms) ms"
same "a transition that was given up behind copies: error" "$(field 0 error)" ""
same "a transition that was given up behind copies: state" "$(field 0 state)" 3
timeout 20 touch $MOUNT/thawed
late_for 0
unmoved
dbdctl transition-to-incremental 0
step "transition to incremental behind copies that do not end"

# The list of what changed, on its way to the COW file of before: it gets there, whoever is killed.
late_sectors=256
late_for 0 $for_ever
request transition-to-snapshot -f 40 $MOUNT/cow1 0
waits "transition to snapshot, writing what changed" handover_export
same "a transition that was killed after its switch: error" "$(field 0 error)" ""
same "a transition that was killed after its switch: state" "$(field 0 state)" 3
late_for 0
over
tool datto-inspect check $MOUNT/cow
take_before
unmoved
dbdctl transition-to-incremental 0
late_sectors=8192
dbdctl destroy 0
rm -f $MOUNT/cow
umount $MOUNT
check_device $ORIGIN
late=$(((first + late_block) * 8))
step "transition to snapshot behind a list that does not get there"

# The machine goes down with such a write under way: it does.
mount $ORIGIN $MOUNT
dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
late_for $for_ever
overwrite 2
