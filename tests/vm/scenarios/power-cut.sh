# The root filesystem is the origin. After a mount without the module the device is in the failed state, and the kernel's log says that a
# full backup is needed. After a power cut it goes on (crash.sh), in incremental mode: the snapshot is lost.
. "$PROJECT/tests/vm/guest/lib.sh"

# The initramfs replays no journal: what it is to see must be past it, which a freeze sees to.
reload_at_boot() {
	echo "dbdctl reload-$1 $ORIGIN /$2 0" >$MOUNT/etc/datto/dla/reload_root
	fsfreeze --freeze $MOUNT
	fsfreeze --unfreeze $MOUNT
}

# refused_reload STATE WHY: what the last boot announced failed as it must, and is out of the way after destroy
refused_reload() {
	local error
	error=$(field 0 error)
	[ -n "$error" ] || die "$2: the reload was accepted, state $(field 0 state)"
	same "$2: state" "$(field 0 state)" "$1"
	dmesg | matches "datto: minor 0: .*full backup" || die "$2: the log does not say that a full backup is needed"
	step "$2: error $error, $(dmesg | grep 'datto: minor 0: .*full backup' | tail -1 | sed 's/^[^]]*] //')"
	refused "Invalid argument" dbdctl transition-to-snapshot $MOUNT/never 0
	refused "Invalid argument" dbdctl transition-to-incremental 0
	[ ! -e /dev/datto0 ] || refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
	dbdctl destroy 0
	rm -f $MOUNT/cow.*
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow."$BOOT" 0
	same "$2: a new full backup" "$(field 0 error)" ""
}

some_writes() {
	dd if=/dev/urandom of=$MOUNT/file bs=64k seek=$((BOOT * 7)) count=24 conv=notrunc,fsync status=none
	dd if=/dev/urandom of=$MOUNT/unsynced bs=64k count=8 conv=notrunc status=none
}

# after_crash WHAT: the power went, and the device goes on
after_crash() {
	same "$1: error" "$(field 0 error)" ""
	same "$1: state" "$(field 0 state)" 2
	dmesg | matches "datto: minor 0: goes on tracking.* after a crash" || die "$1: nothing is said of a crash"
	dbdctl destroy 0
	rm -f $MOUNT/cow.*
	dmesg -C
	echo 1 >/sys/module/dattobd/parameters/debug
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow."$BOOT" 0
}

# A checkpoint is there soon after the transition; a write after it is in the dirty map.
live() { dmesg | matches "datto: minor 0: a live checkpoint is written"; }
wait_for_live() { until_true 20 "a live checkpoint" live; }

case $BOOT in
1)
	load_module debug=1
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.1 0
	dbdctl transition-to-incremental 0
	reload_at_boot incremental cow.1
	sync
	wait_for_live
	some_writes
	cut_power
	;;
2)
	after_crash "a power cut in incremental mode"
	reload_at_boot snapshot cow.2
	sync
	wait_for_live
	some_writes
	cut_power
	;;
3)
	dmesg | matches "datto: minor 0: goes on tracking.* after a crash, in incremental mode, without the snapshot" || die "the log does not say that the snapshot is lost"
	[ ! -e /dev/datto0 ] || die "there is a disk of the snapshot"
	after_crash "a power cut with a snapshot"
	dbdctl transition-to-incremental 0
	reload_at_boot incremental cow.3
	some_writes
	touch /out/no-reload
	reboot_now
	;;
4)
	[ ! -e /proc/datto-info ] || die "the module is loaded"
	some_writes
	rm /out/no-reload
	reboot_now
	;;
5)
	refused_reload 4 "a boot without the module"
	dbdctl transition-to-incremental 0
	# After a reload that was accepted, once more: what was clean is so no longer.
	reload_at_boot incremental cow.5
	reboot_now
	;;
6)
	same "after a clean reboot: error" "$(field 0 error)" ""
	same "after a clean reboot: state" "$(field 0 state)" 2
	some_writes
	touch /out/no-reload
	cut_power
	;;
7)
	# A kernel that does not know of the device replays the journal, and writes; then the power goes once more.
	[ ! -e /proc/datto-info ] || die "the module is loaded"
	some_writes
	rm /out/no-reload
	cut_power
	;;
8)
	refused_reload 4 "a power cut, a boot without the module, and a power cut"
	dbdctl destroy 0
	unload_module
	;;
esac
