# A COW file that is full fails the snapshot, with -27, and harms nothing else.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
load_module
noise $MOUNT/file 50
dbdctl setup-snapshot -f 5 $ORIGIN $MOUNT/cow 0
noise /run/new 50
dd if=/run/new of=$MOUNT/file bs=1M conv=notrunc,fsync status=none
failed() { [ "$(field 0 error)" = -27 ]; }
until_true 60 "the failure of the device" failed
same "state" "$(field 0 state)" 3
step "error -27 after 50 MiB were written"
echo 3 >/proc/sys/vm/drop_caches
cmp /run/new $MOUNT/file || die "the origin lost a write"
refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1
refused "Invalid argument" dbdctl transition-to-incremental 0
dd if=/dev/zero of=$MOUNT/more bs=1M count=8 conv=fsync status=none
dbdctl destroy 0
[ ! -e $MOUNT/cow ] || die "destroy left the COW file behind"
[ ! -e /dev/datto0 ] || die "/dev/datto0 is still there"
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow 0
same "a new snapshot's error" "$(field 0 error)" ""

# Q33: it fails while a transition writes back what is dirty. The transition says so, and the device is of the new mode all the same.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
dd if=/run/new of=$MOUNT/file bs=1M count=40 conv=notrunc status=none
same "before the write-back: error" "$(field 0 error)" ""
refused "File too large" dbdctl transition-to-incremental 0
same "failed in a transition" "$(field 0 state) $(field 0 error)" "2 -27"
[ ! -e /dev/datto0 ] || die "failed in a transition: /dev/datto0 is still there"
[ ! -e $MOUNT/cow ] || die "failed in a transition: the COW file is still there"
echo 500 >/proc/sys/vm/dirty_writeback_centisecs
cmp /run/new $MOUNT/file || die "the origin lost a write"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
