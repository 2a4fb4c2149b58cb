# Every kind of mount and unmount: the snapshot keeps its bytes, /proc says what is, and what is written meanwhile is listed.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
other=/mnt/other
mkdir -p $other
newmount() { "$PROGRAMS/newmount" "$@"; }
write_file() { dd if=/dev/urandom of="${1:-$MOUNT}/file" bs=1M seek="$2" count=2 conv=notrunc,fsync status=none; }
noise $MOUNT/file 48
sync

in_state() { [ "$(field 0 state)" = "$1" ]; }
# state_is WHAT STATE
state_is() {
	same "$1: error" "$(field 0 error)" ""
	until_true 60 "$1: state $2" in_state "$2"
}
# active WHAT, dormant WHAT: in the mode of the moment
active() { state_is "$1" $((2 + mode)); }
dormant() { state_is "$1" $((0 + mode)); }

# A frozen filesystem: nothing waits for the thaw, nothing changes, and what needs no writing goes on.
frozen() { timeout 20 fsfreeze -f $MOUNT; }
frozen
refused "Device or resource busy" dbdctl setup-snapshot $ORIGIN $MOUNT/cow 0
fsfreeze -u $MOUNT
[ ! -e $MOUNT/cow ] || die "a set-up that was refused left a COW file"
dbdctl setup-snapshot -f 128 $ORIGIN $MOUNT/cow 0
mode=1
copy_device /dev/datto0 $SCRATCH/before
frozen
refused "Device or resource busy" dbdctl destroy 0
refused "Device or resource busy" dbdctl transition-to-incremental 0
dbdctl_tool status >/dev/null
active "frozen"
equal $SCRATCH/before /dev/datto0 || die "frozen: the snapshot moved"
fsfreeze -u $MOUNT
"$PROGRAMS/waiters" || die "a request or a reader waits wrongly"
step "frozen, and behind a slow request: nothing hangs"

# events WHAT: every event, in the mode of the moment. A write follows each, through whatever is left of the mount.
block=$(block_of $MOUNT/file)
events() {
	step "$1: begins"
	mount --bind $MOUNT $other
	umount $MOUNT
	active "$1: one of two mounts is left"
	write_file $other 0
	mount --bind $other $MOUNT
	umount $other
	active "$1: the first mount is back"

	exec 8<>$MOUNT/file
	refused "busy" umount $MOUNT
	active "$1: an umount that failed"
	write_file $MOUNT 2
	umount -l $MOUNT
	active "$1: unmounted lazily, a file is open"
	dd if=/dev/urandom bs=1M count=2 seek=4 conv=notrunc status=none of=/proc/self/fd/8
	dd if=/dev/urandom bs=512 count=3 seek=13001 oflag=direct conv=notrunc status=none of=/proc/self/fd/8
	exec 8<&-
	dormant "$1: the last open file is closed"

	write_raw $ORIGIN $((block + 2048)) 64
	dormant "$1: written to past any filesystem"
	newmount mount "$FS" $ORIGIN $MOUNT
	active "$1: mounted with fsopen"
	write_file $MOUNT 10
	newmount attribute ro $MOUNT
	active "$1: one mount is read-only, the filesystem is not"
	newmount attribute rw $MOUNT
	newmount remount ro $MOUNT
	dormant "$1: read-only with fspick"
	newmount remount rw $MOUNT
	active "$1: read-write with fspick"
	write_file $MOUNT 12
	mount -o remount,ro $MOUNT
	dormant "$1: remounted read-only"
	mount -o remount,rw $MOUNT
	active "$1: remounted read-write"
	write_file $MOUNT 14

	# Kept by a namespace of somebody else, and let go with its last process.
	mkfifo /run/go
	# shellcheck disable=SC2016
	unshare -m --propagation private bash -c 'read -r _ </run/go; dd if=/dev/urandom of="$1" bs=1M seek=16 count=2 conv=notrunc,fsync status=none' \
		- $MOUNT/file &
	until_true 60 "another namespace" sh -c "[ \$(readlink /proc/$!/ns/mnt) != \$(readlink /proc/self/ns/mnt) ]"
	umount $MOUNT
	active "$1: unmounted here, mounted in another namespace"
	echo >/run/go
	wait $!
	rm /run/go
	dormant "$1: the other namespace is gone"

	mount -o ro $ORIGIN $MOUNT
	dormant "$1: mounted read-only"
	umount $MOUNT
	mount $ORIGIN $other
	active "$1: mounted somewhere else"
	write_file $other 18
	umount $other
	mount $ORIGIN $MOUNT
	active "$1: mounted where it was"
}

events "snapshot"
equal $SCRATCH/before /dev/datto0 || die "the snapshot has wrong bytes"
step "snapshot: every byte is right after every kind of mount"


# What a request does to the COW file, it does wherever the filesystem is mounted by now.
mount --bind $MOUNT $other
umount $MOUNT
dbdctl transition-to-incremental 0
mode=0
same "the COW file was cut" "$(stat -c %s $other/cow)" "$(field 0 cow_size_current)"
mount --bind $other $MOUNT
umount $other
frozen
refused "Device or resource busy" dbdctl transition-to-snapshot $MOUNT/cow1 0
refused "Device or resource busy" dbdctl destroy 0
fsfreeze -u $MOUNT
active "incremental, frozen"
events "incremental"
umount $MOUNT
mount $ORIGIN $other
dbdctl transition-to-snapshot -f 128 $other/cow1 0
umount $other
mount $ORIGIN $MOUNT
cp --reflink=always $SCRATCH/before $SCRATCH/image
update_img_tool /dev/datto0 $MOUNT/cow $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot"
images covers $SCRATCH/before $SCRATCH/image $MOUNT/cow || die "a write was missed"
dbdctl transition-to-incremental 0
umount $MOUNT
mount $ORIGIN $other
dbdctl transition-to-snapshot -f 20 $other/cow2 0
umount $other
mount $ORIGIN $MOUNT
dbdctl destroy 0
[ ! -e $MOUNT/cow2 ] || die "destroy left the COW file behind"
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow3 0
step "incremental: the image is right after every kind of mount"

# The module goes while the filesystem is frozen: it waits, can be told not to, and the COW file stays behind.
frozen
rmmod dattobd 2>/run/rmmod &
rmmod=$!
sleep 1
kill -0 $rmmod || die "rmmod did not wait for the thaw: $(cat /run/rmmod)"
kill -KILL $rmmod
until_true 10 "the end of the module" sh -c "! grep -q '^dattobd ' /proc/modules"
fsfreeze -u $MOUNT
rm $MOUNT/cow3
umount $MOUNT
check_device $ORIGIN
