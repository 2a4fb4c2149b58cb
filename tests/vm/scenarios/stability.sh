# Three checksums of the whole snapshot, under load, are equal.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
load_module
start_load 50
trim_on
sleep 1
dbdctl setup-snapshot -f 200 $ORIGIN $MOUNT/cow 0
first=$(checksum /dev/datto0)
step "$first"
for n in 2 3; do
	sum=$(checksum /dev/datto0)
	step "$sum"
	same "checksum $n" "$sum" "$first"
done
[ "$(field 0 nr_changed_blocks)" -gt 100 ] || die "the load changed next to nothing"
same "error" "$(field 0 error)" ""
stop_load
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
