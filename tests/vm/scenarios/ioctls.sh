# The control node answers each request, right and wrong, as docs/ABI.md, B, says.
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

# A set-up that fails leaves what it found, and none reaches a file through a link or takes one of somebody else.
echo "precious" >$MOUNT/precious
chown nobody $MOUNT/precious
refused "Operation not permitted" dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/precious 0
chown root $MOUNT/precious
refused "No space left on device" dbdctl setup-snapshot -f 90000 $ORIGIN $MOUNT/precious 0
ln -s precious $MOUNT/symbolic
ln -s nowhere $MOUNT/dangling
refused "Too many levels of symbolic links" dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/symbolic 0
refused "Too many levels of symbolic links" dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/dangling 0
ln $MOUNT/precious $MOUNT/second
refused "Too many links" dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/precious 0
rm $MOUNT/second
same "a set-up that failed: the file" "$(cat $MOUNT/precious)" "precious"
same "a set-up that failed: its mode" "$(stat -c '%a %U' $MOUNT/precious)" "644 root"
[ ! -e $MOUNT/nowhere ] || die "a set-up went through a link"
same "a set-up that failed: the device" "$(field 0 state)" ""
dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/precious 0
dbdctl destroy 0
step "set-ups that fail leave what they found"

umount $MOUNT
check_device $ORIGIN
unload_module
