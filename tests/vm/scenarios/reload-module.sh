# The module can be unloaded and loaded again under load, four or ten times, and leaves nothing behind.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
start_load 30
trim_on

cycle() {
	load_module
	dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
	exec 9</dev/datto0
	refused "in use" rmmod dattobd
	dd bs=1M count=8 status=none <&9 >/dev/null
	exec 9<&-
	[ "$1" = incremental ] && dbdctl transition-to-incremental 0
	sleep 0.5
	unload_module
	[ ! -e /dev/datto0 ] && [ ! -e /dev/datto-ctl ] && [ ! -e $PROC ] || die "cycle $n left a node behind"
	[ ! -e $MOUNT/cow ] || die "cycle $n left the COW file of an active device behind"
	load_alive || die "the load ended early"
}

for n in 1 2; do cycle incremental; done
remember_memory
for n in $(seq 3 "$(rounds 4 10)"); do
	if [ $((n % 2)) = 0 ]; then cycle incremental; else cycle snapshot; fi
	step "cycle $n"
done
nothing_remains
stop_load
umount $MOUNT
check_device $ORIGIN
