# Random transitions under I/O load, held against a model: errnos, states, bytes; at the end nothing is left behind.
# TRANSITIONS_SECONDS is how long (25 or 60), TRANSITIONS_SEED what to repeat.
. "$PROJECT/tests/vm/guest/lib.sh"
SEED=${TRANSITIONS_SEED:-$((RANDOM * 32768 + RANDOM))}
make_scratch
make_origin
umount $MOUNT
say "seed $SEED"

transitions() {
	"$PROGRAMS/transitions" $ORIGIN "$FS" $MOUNT $SCRATCH/image "$DATTOBD_KO" "$1" "$2" "$PROGRAMS/load" ||
		die "seed $2: the transitions went wrong, status $?"
}

# What the kernel and the filesystems keep for themselves after the first time.
transitions 8 1
remember_memory
transitions "${TRANSITIONS_SECONDS:-$(rounds 25 60)}" "$SEED"
nothing_remains
check_device $ORIGIN
