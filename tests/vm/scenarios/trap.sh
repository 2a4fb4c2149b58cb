# A core that reaches outside its memory fails its own device; another device and the machine go on.
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
dd if=/dev/urandom of=/mnt/second/file bs=1M count=10 conv=fsync status=none
same "the second device's error" "$(field 1 error)" ""
[ "$(field 1 nr_changed_blocks)" -gt 2000 ] || die "the second device no longer tracks"
same "the second snapshot" "$(checksum /dev/datto1)" "$second"
sleep 1
stop_load
dbdctl destroy 0
dbdctl destroy 1
umount $MOUNT /mnt/second
check_device $ORIGIN
unload_module
