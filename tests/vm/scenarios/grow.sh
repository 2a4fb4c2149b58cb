# The volume grows while it is tracked, in either mode, unmounted and unloaded: the series goes on, and what the volume grew by is in the
# next list, all of it.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
truncate -s 320M $SCRATCH/volume
ORIGIN=$(losetup --find --show $SCRATCH/volume)
make_origin
mkdir -p $MOUNT/files
load_module

n=0	# of files, each with random bytes
write_file() { n=$((n + 1)); dd if=/dev/urandom of=$MOUNT/files/$n bs=1M count="$1" conv=fsync status=none; }
# grow MIB: the device, and what is mounted from it
grow_device() { truncate -s "$1M" $SCRATCH/volume && losetup -c "$ORIGIN"; }
grow_filesystem() {
	if [ "$FS" = ext4 ]; then resize2fs "$ORIGIN" >/run/resize 2>&1 || die "$(cat /run/resize)"; else xfs_growfs $MOUNT >/dev/null; fi
}
tracked() { same "$1: the error" "$(field 0 error)" ""; same "$1: state" "$(field 0 state)" "$2"; }
mib_of() { echo $(($(blockdev --getsize64 "$1") / 1048576)); }
# next MIB: to the next snapshot, of that size, and the image up to date with it
next() {
	local old=$cow adopt=()
	cow=cow$n
	dbdctl transition-to-snapshot -f 60 $MOUNT/$cow 0
	tracked "the next snapshot" 3
	same "the snapshot's size in MiB" "$(mib_of /dev/datto0)" "$1"
	if [ "$(stat -c %s $SCRATCH/image)" -lt "$(blockdev --getsize64 /dev/datto0)" ]; then
		refused "hint: if the volume has grown, \`truncate -s" update_img_tool /dev/datto0 $MOUNT/$old $SCRATCH/image
		truncate -s "$1M" $SCRATCH/image
		adopt=(--adopt)
	fi
	update_img_tool "${adopt[@]}" /dev/datto0 $MOUNT/$old $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
	equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot, by $(images differ $SCRATCH/image /dev/datto0) blocks"
	check_filesystem $SCRATCH/image
	rm $MOUNT/"$old"
}

cow=cow
dbdctl setup-snapshot -f 60 "$ORIGIN" $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/image
dbdctl transition-to-incremental 0
write_file 20
grow_device 400
write_file 10
grow_filesystem
write_file 200		# more than there was room for
tracked "grown in incremental mode" 2
next 400
step "grown in incremental mode: the image is right"

before=$(checksum /dev/datto0)
grow_device 480
grow_filesystem
write_file 30
same "the snapshot" "$(checksum /dev/datto0)" "$before"
tracked "grown under a snapshot" 3
rm $MOUNT/files/3
dbdctl transition-to-incremental 0
write_file 220
tracked "incremental after that" 2
next 480
step "grown under a snapshot: it stays, and the next image is right"

# Written to beyond what is tracked, then unmounted, unloaded, and grown once more.
dbdctl transition-to-incremental 0
grow_device 540
grow_filesystem
rm $MOUNT/files/5
write_file 240
umount $MOUNT
unload_module
grow_device 600
load_module
dbdctl reload-incremental "$ORIGIN" /$cow 0
tracked "reloaded" 4
mount -o discard "$ORIGIN" $MOUNT
grow_filesystem
write_file 60
next 600
step "grown, reloaded, and grown meanwhile: the image is right"

# Grown past the filesystem, by what is no whole block; without a list of anything else.
dbdctl transition-to-incremental 0
truncate -s $((610 * 1048576 + 512 * 3)) $SCRATCH/volume
losetup -c "$ORIGIN"
dd if=/dev/urandom of="$ORIGIN" bs=512 seek=$((610 * 2048 + 2)) count=1 oflag=direct conv=notrunc status=none
dbdctl transition-to-snapshot -f 60 $MOUNT/last 0
truncate -s $((610 * 1048576 + 512 * 3)) $SCRATCH/image
update_img_tool --adopt /dev/datto0 $MOUNT/$cow $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
cmp $SCRATCH/image /dev/datto0
step "grown by what is no whole block: the image is right"

# Smaller: refused.
dbdctl transition-to-incremental 0
truncate -s 605M $SCRATCH/volume
losetup -c "$ORIGIN"
refused "Stale file handle" dbdctl transition-to-snapshot -f 60 $MOUNT/none 0
dmesg | matches "its origin shrank or was moved; a full backup is needed" || die "nothing in the kernel's log of a smaller origin"
[ ! -e $MOUNT/none ] || die "a transition that was refused left its COW file behind"
step "shrunk: refused, with its reason"
dbdctl destroy 0
umount $MOUNT
unload_module
