# A read of the snapshot never returns what is being written to the origin at that moment.
. "$PROJECT/tests/vm/guest/lib.sh"
reference=$SCRATCH/reference
file=$MOUNT/file
make_scratch
make_origin
load_module
# Nothing of the module can be traced: most of it runs inside a tracer's callback.
traceable=$(grep -c '\[dattobd\]' /sys/kernel/debug/tracing/available_filter_functions || true)
same "functions that can be traced" "$traceable" 0
echo 64 >/sys/block/vda/queue/max_sectors_kb

for pass in 1 2; do
	rm -f $file
	noise $file 64
	dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
	copy_device /dev/datto0 $reference
	fsfreeze -f $MOUNT
	copy_device $ORIGIN $SCRATCH/frozen
	images same-in $reference $SCRATCH/frozen $file || die "the quiet snapshot differs from the frozen origin"
	differ=$(images differ $reference $SCRATCH/frozen $MOUNT/cow)
	fsfreeze -u $MOUNT
	[ "$differ" -le "$(field 0 nr_changed_blocks)" ] ||
		die "$differ blocks differ from the frozen origin, but only $(field 0 nr_changed_blocks) were noted"
	images zero-in $reference $MOUNT/cow || die "the COW file's own blocks, the header apart, are not zeros in the snapshot"
	"$PROGRAMS/race" /dev/datto0 $reference $file || die "pass $pass: the snapshot read wrong"
	equal $reference /dev/datto0 || die "pass $pass: the snapshot moved"
	step "pass $pass is right"
	same "error" "$(field 0 error)" ""
	dbdctl destroy 0
done
umount $MOUNT
unload_module
