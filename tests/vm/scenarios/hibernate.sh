# No clean mark is written while the machine hibernates: who goes on from the image of the memory would not know of it.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
load_module debug=1
dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
dbdctl transition-to-incremental 0
clean() { dmesg | matches "a checkpoint is written"; }
# All of it but the image and the end: everything is frozen for some seconds, and goes on.
echo freezer >/sys/power/pm_test
umount $MOUNT
echo disk >/sys/power/state
dmesg | matches "hibernation entry" || die "the machine did not hibernate"
dmesg | sed -n '/hibernation entry/,/hibernation exit/p' >/run/meanwhile
! grep "a checkpoint is written" /run/meanwhile || die "a clean mark was written meanwhile"
until_true 30 "a clean mark, afterwards" clean
dbdctl destroy 0
unload_module
