# Random transitions under I/O load, held against a model: errnos, states, bytes; at the end nothing is left behind.
# TRANSITIONS_SECONDS is how long (60), TRANSITIONS_SEED what to repeat.
. "$PROJECT/tests/vm/guest/lib.sh"
SEED=${TRANSITIONS_SEED:-$((RANDOM * 32768 + RANDOM))}
make_scratch
make_origin
umount $MOUNT
say "seed $SEED"

# Memory that a module could leave behind, in KiB, once caches are dropped and delayed frees have run.
kept_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk '/^(SUnreclaim|VmallocUsed|Percpu):/ { sum += $2 } END { print sum }' /proc/meminfo
}

transitions() {
	"$PROGRAMS/transitions" $ORIGIN "$FS" $MOUNT $SCRATCH/image "$DATTOBD_KO" "$1" "$2" "$PROGRAMS/load" ||
		die "seed $2: the transitions went wrong, status $?"
}

# What the kernel and the filesystems keep for themselves after the first time.
transitions 8 1
before=$(kept_memory)
transitions "${TRANSITIONS_SECONDS:-60}" "$SEED"
after=$(kept_memory)
say "kernel memory: $before KiB before, $after KiB after"
[ $((after - before)) -lt 4096 ] || die "the kernel's memory grew by $((after - before)) KiB"
! grep -q '\[dattobd\]' /proc/vmallocinfo || die "vmalloc areas of the module remain"
! grep -q '^datto' /proc/slabinfo || die "slab caches of the module remain"
if [ -e /sys/kernel/debug/kmemleak ]; then
	echo scan >/sys/kernel/debug/kmemleak
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	! grep -q dattobd /sys/kernel/debug/kmemleak || die "$(head -30 /sys/kernel/debug/kmemleak)"
fi
check_device $ORIGIN
