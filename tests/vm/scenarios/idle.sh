# A volume that nobody writes to, with online discard: what the next list names is little more than the header and index of our own
# file. Discards of a user are carried out and listed.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
MOUNT_OPTIONS=discard make_origin
noise $MOUNT/data 80
rm $MOUNT/data
noise $MOUNT/data 60
sync
load_module
own=$((257 + 300)) # header and index, 257 blocks for 512 MiB; and the filesystem's own
discarded() { awk '{ print $14 }' /sys/block/vda/stat; }
listed() { images listed "$1" $((512 << 20)); }
updated() {
	update_img /dev/datto0 "$1" $SCRATCH/image
	equal $SCRATCH/image /dev/datto0 || die "$2: the image differs from the snapshot in $(images differ $SCRATCH/image /dev/datto0) blocks"
	rm "$1"
}
# What was cut off is discarded some time after the filesystem wrote its journal.
cut_is_discarded() {
	touch $MOUNT/data
	sync
	[ $(($(discarded) - before)) -ge $((40 << 11)) ]
}

dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.0 0
copy_device /dev/datto0 $SCRATCH/image
before=$(discarded)
dbdctl transition-to-incremental 0
# XFS discards nothing that was never written through it.
[ "$FS" = xfs ] || until_true 60 "the discard of what was cut off" cut_is_discarded
dbdctl transition-to-snapshot -f 60 $MOUNT/cow.1 0
n=$(listed $MOUNT/cow.0)
step "idle: $n blocks are listed, $(images differ $SCRATCH/image /dev/datto0) differ"
[ "$n" -le $own ] || die "idle: $n blocks are listed, expected at most $own"
updated $MOUNT/cow.0 idle

dbdctl transition-to-incremental 0
rm $MOUNT/data
sync
fstrim $MOUNT
dbdctl transition-to-snapshot -f 60 $MOUNT/cow.2 0
n=$(listed $MOUNT/cow.1)
step "trimmed: $n blocks are listed, $(images differ $SCRATCH/image /dev/datto0) differ"
[ "$n" -ge 70000 ] || die "trimmed: $n blocks are listed, expected all that is free"
updated $MOUNT/cow.1 trimmed
same "error" "$(field 0 error)" ""
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
