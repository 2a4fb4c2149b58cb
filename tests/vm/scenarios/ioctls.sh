# The control node answers each request, right and wrong, as ABI.md B says.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
load_module
[ -b /dev/loop7 ] || mknod -m 600 /dev/loop7 b 7 7
truncate -s 16M /run/loop7
losetup /dev/loop7 /run/loop7
echo "content" >/run/other
"$PROGRAMS/ioctls" $ORIGIN $MOUNT /run/other || die "the control node answered wrong"
same "Q24 a file on another filesystem" "$(cat /run/other)" "content"
losetup -d /dev/loop7
umount $MOUNT
check_device $ORIGIN
unload_module
