# The volume grows while it is tracked, in either mode, unmounted and unloaded: the series goes on, and what the volume grew by is in the
# next list, all of it.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
# MiB of the volume at first, and of the files that do not fit into what it had before it grew; an XFS is not smaller than 300
size=128 large=(100 140 180)
[ "$FS" = ext4 ] || size=320 large=(200 220 240)
truncate -s ${size}M $SCRATCH/volume
ORIGIN=$(losetup --find --show $SCRATCH/volume)
make_origin
mkdir -p $MOUNT/files
load_module

n=0	# of files, each with random bytes
write_file() { n=$((n + 1)); noise $MOUNT/files/$n "$1"; }
# grow_device MIB: by so much; grow_filesystem: that which is mounted from it
grow_device() {
	size=$((size + $1))
	truncate -s ${size}M $SCRATCH/volume
	losetup -c "$ORIGIN"
}
grow_filesystem() {
	if [ "$FS" = ext4 ]; then resize2fs "$ORIGIN" >/run/resize 2>&1 || die "$(cat /run/resize)"; else xfs_growfs $MOUNT >/dev/null; fi
}
tracked() { same "$1: the error" "$(field 0 error)" ""; same "$1: state" "$(field 0 state)" "$2"; }
mib_of() { echo $(($(blockdev --getsize64 "$1") / 1048576)); }
# next: to the next snapshot, and the image up to date with it
next() {
	local old=$cow adopt=()
	cow=cow$n
	dbdctl transition-to-snapshot -f 30 $MOUNT/$cow 0
	tracked "the next snapshot" 3
	same "the snapshot's size in MiB" "$(mib_of /dev/datto0)" $size
	if [ "$(stat -c %s $SCRATCH/image)" -lt "$(blockdev --getsize64 /dev/datto0)" ]; then
		refused "hint: if the volume has grown, \`truncate -s" update_img_tool /dev/datto0 $MOUNT/$old $SCRATCH/image
		truncate -s ${size}M $SCRATCH/image
		adopt=(--adopt)
	fi
	update_img_tool "${adopt[@]}" /dev/datto0 $MOUNT/$old $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
	equal $SCRATCH/image /dev/datto0 || die "the updated image differs from the snapshot, by $(images differ $SCRATCH/image /dev/datto0) blocks"
	check_filesystem $SCRATCH/image
	rm $MOUNT/"$old"
}

cow=cow
dbdctl setup-snapshot -f 30 "$ORIGIN" $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/image
dbdctl transition-to-incremental 0
write_file 20
grow_device 80
write_file 10
grow_filesystem
write_file "${large[0]}"
tracked "grown in incremental mode" 2
next
step "grown in incremental mode: the image is right"

before=$(checksum /dev/datto0)
grow_device 80
grow_filesystem
write_file 20
same "the snapshot" "$(checksum /dev/datto0)" "$before"
tracked "grown under a snapshot" 3
rm $MOUNT/files/3
dbdctl transition-to-incremental 0
write_file "${large[1]}"
tracked "incremental after that" 2
next
step "grown under a snapshot: it stays, and the next image is right"

# Written to beyond what is tracked, then unmounted, unloaded, and grown once more.
dbdctl transition-to-incremental 0
grow_device 60
grow_filesystem
rm $MOUNT/files/5
write_file "${large[2]}"
umount $MOUNT
unload_module
grow_device 60
load_module
dbdctl reload-incremental "$ORIGIN" /$cow 0
tracked "reloaded" 4
mount -o discard "$ORIGIN" $MOUNT
grow_filesystem
write_file 60
next
step "grown, reloaded, and grown meanwhile: the image is right"

# Grown past the filesystem, by what is no whole block; without a list of anything else.
dbdctl transition-to-incremental 0
end=$((size + 10))
truncate -s $((end * 1048576 + 512 * 3)) $SCRATCH/volume
losetup -c "$ORIGIN"
dd if=/dev/urandom of="$ORIGIN" bs=512 seek=$((end * 2048 + 2)) count=1 oflag=direct conv=notrunc status=none
dbdctl transition-to-snapshot -f 30 $MOUNT/last 0
truncate -s $((end * 1048576 + 512 * 3)) $SCRATCH/image
update_img_tool --adopt /dev/datto0 $MOUNT/$cow $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
cmp $SCRATCH/image /dev/datto0
step "grown by what is no whole block: the image is right"

# Smaller: refused.
dbdctl transition-to-incremental 0
truncate -s $((size + 5))M $SCRATCH/volume
losetup -c "$ORIGIN"
refused "Stale file handle" dbdctl transition-to-snapshot -f 30 $MOUNT/none 0
dmesg | matches "its origin shrank or was moved; a full backup is needed" || die "nothing in the kernel's log of a smaller origin"
[ ! -e $MOUNT/none ] || die "a transition that was refused left its COW file behind"
step "shrunk: refused, with its reason"
dbdctl destroy 0
umount $MOUNT
unload_module
