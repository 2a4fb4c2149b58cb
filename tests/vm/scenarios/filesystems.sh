# One short history on each kind of filesystem that a COW file can lie on (in the short form on those that differ most), and the refusal on
# those where it cannot.
. "$PROJECT/tests/vm/guest/lib.sh"
IMAGE=$SCRATCH/image
mkdir -p $MOUNT /mnt/image
make_scratch
load_module

# sums FOLDER: of every file but the COW files
sums() { (cd "$1" && find . -xdev -type f ! -name '*cow.*' -exec md5sum {} + | sort -k 2); }

# check_image WHAT: it equals the snapshot in every byte, and holds the files that there were at its instant
check_image() {
	equal $IMAGE /dev/datto0 || die "$kind: $1: the image differs from the snapshot in $(images differ $IMAGE /dev/datto0) blocks"
	mount -t $driver -o "ro,loop,$look" $IMAGE /mnt/image
	same "$kind: $1: files in the image" "$(sums /mnt/image/)" "$was"
	umount /mnt/image
}

# write_files N: new files, large, small and tiny ones; an older one overwritten, cut and removed in parts
write_files() {
	dd if=/dev/urandom of=$HOME_FOLDER/large-"$1" bs=50k count=14 status=none
	dd if=/dev/urandom of=$HOME_FOLDER/small-"$1" bs=3000 count=1 status=none
	printf 'round %s' "$1" >$HOME_FOLDER/tiny-"$1"
	dd if=/dev/urandom of=$HOME_FOLDER/large-0 bs=4k seek=$((20 + $1)) count=8 conv=notrunc status=none
	rm -f $HOME_FOLDER/large-$(($1 - 2))
	sync -f $MOUNT
}

# listed_is_counted COW_FILE: the index lists as many blocks as the header counts: nothing written raw shows through
listed_is_counted() {
	same "$kind: blocks that are listed" "$(images listed "$1" "$(blockdev --getsize64 "$ORIGIN")")" "$(od -An -tu8 -j56 -N8 "$1" | tr -d ' ')"
}

# kind NAME TYPE MOUNT_OPTIONS MKFS...: one round. ${size[@]} is what dbdctl is given for the size of the COW file. $prepare runs once it is mounted, $grow while there is a snapshot,
# $reload while it is not mounted.
kind() {
	kind=$1 type=$2 with=$3 driver=ext4 look=noload
	shift 3
	"$@" "$ORIGIN" >/dev/null 2>/run/mkfs || die "$kind: $* failed: $(cat /run/mkfs)"
	[ "$type" != xfs ] || driver=xfs look=norecovery,nouuid
	if ! mount -t "$type" -o "$with" "$ORIGIN" $MOUNT; then
		[[ $optional == *:$kind:* ]] || die "$kind: cannot be mounted"
		step "$kind: not in this kernel"
		return
	fi
	HOME_FOLDER=$MOUNT
	$prepare
	write_files 0
	write_files 1
	was=$(sums $MOUNT/)
	dbdctl setup-snapshot "${size[@]}" "$ORIGIN" $HOME_FOLDER/cow.0 0
	write_files 2
	copy_device /dev/datto0 $IMAGE
	write_files 3
	check_image "first"
	images zero-in $IMAGE $HOME_FOLDER/cow.0 || die "$kind: the COW file's own sectors are not zeros in the snapshot"
	$grow
	dbdctl transition-to-incremental 0
	umount $MOUNT
	$reload
	mount -t "$type" -o "$with" "$ORIGIN" $MOUNT
	write_files 4
	was=$(sums $MOUNT/)
	dbdctl transition-to-snapshot $HOME_FOLDER/cow.1 0
	write_files 5
	listed_is_counted $HOME_FOLDER/cow.0
	update_img /dev/datto0 $HOME_FOLDER/cow.0 $IMAGE >/dev/null
	check_image "updated"
	same "$kind: error" "$(field 0 error)" ""
	dbdctl destroy 0
	umount $MOUNT
	FS=$driver check_device "$ORIGIN"
	step "$kind"
}

nothing() { :; }
# The clean mark leaves its bytes in the index.
reloads() {
	unload_module
	load_module
	dbdctl reload-incremental "$ORIGIN" "${HOME_FOLDER#"$MOUNT"}/cow.0" 0
}
grows() { dbdctl expand-cow-file 1 0; }
# A COW file of the default size ends within a block, which the filesystem may have written: it grows, and is filled beyond that block.
old_file() { dd if=/dev/urandom of=$MOUNT/old bs=1M count=4 status=none; }
fills() {
	[ $(($(stat -c %s "$HOME_FOLDER"/cow.0) % 4096)) != 0 ] || die "$kind: the COW file ends with a whole block"
	dbdctl expand-cow-file 3 0
	dd if=/dev/urandom of=$MOUNT/old bs=1M count=4 conv=notrunc,fsync status=none
	check_image "filled beyond its first end"
}
# Without extents a COW file has no blocks that were never written.
stays() {
	refused "Operation not supported" dbdctl expand-cow-file 1 0
	same "$kind: the snapshot after a growth that was refused" "$(field 0 state) $(field 0 error)" "3 "
}
folder() {
	mkdir $MOUNT/folder
	HOME_FOLDER=$MOUNT/folder
}
casefold() {
	folder
	chattr +F $HOME_FOLDER
	echo x >$HOME_FOLDER/Some
	[ -e $HOME_FOLDER/sOME ] || die "$kind: a name in other case is another name"
}
external_journal() { mke2fs -q -F -O journal_dev -b 4096 /dev/vdc >/dev/null; }

ext4() { kind "$1" ext4 "$2" mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "${@:3}"; }

prepare=old_file grow=fills reload=reloads optional=":casefold:xfs, 512 bytes:" size=()
ext4 "dioread_lock" dioread_lock -b 4096
prepare=nothing grow=grows reload=nothing size=(-f 5)
ext4 "nodelalloc, 1 KiB" nodelalloc -b 1024
if [ -n "$LONG" ]; then
	ext4 "2 KiB" defaults -b 2048
	ext4 "bigalloc" defaults -b 4096 -O bigalloc -C 16384
	# verity wants blocks as large as pages before 6.3
	ext4 "verity, quota, encryption" usrquota,grpquota -b 4096 -O verity,quota,encrypt
	ext4 "inline data" defaults -b 4096 -O inline_data -I 256
	prepare=casefold
	ext4 "casefold" defaults -O casefold
	prepare=nothing
	external_journal
	ext4 "journal on another device" defaults -b 4096 -J device=/dev/vdc
fi
kind "xfs, 512 bytes" xfs defaults mkfs.xfs -q -f --unsupported -m crc=0 -b size=512
grow=stays
[ -z "$LONG" ] || kind "ext2" ext2 defaults mke2fs -q -F -t ext2 -b 1024
reload=reloads
kind "ext3" ext3 defaults mke2fs -q -F -t ext3 -b 4096
reload=nothing
[ -z "$LONG" ] || kind "ext3 as ext4" ext4 nodelalloc mke2fs -q -F -t ext3 -b 1024

# The mark of a larger volume covers sections of the index that nothing else is written to. Where they are not unwritten, they are cleared.
kind="ext3, 1100 MiB"
HOME_FOLDER=$MOUNT
disk=$ORIGIN
truncate -s 1100M $SCRATCH/disk
ORIGIN=$(losetup --find --show --direct-io=on $SCRATCH/disk)
mke2fs -q -F -t ext3 -b 4096 "$ORIGIN"
mount -t ext3 "$ORIGIN" $MOUNT
dbdctl setup-snapshot -f 5 "$ORIGIN" $MOUNT/cow.0 0
dbdctl transition-to-incremental 0
umount $MOUNT
reloads
mount -t ext3 "$ORIGIN" $MOUNT
same "$kind: written raw in the second section" "$(od -An -tx8 -N32768 -j$((4096 + 32768)) $MOUNT/cow.0 | matches '[1-9a-f]' && echo yes)" yes
dbdctl transition-to-snapshot $MOUNT/cow.1 0
listed_is_counted $MOUNT/cow.0
dbdctl destroy 0
umount $MOUNT
losetup -d "$ORIGIN"
ORIGIN=$disk
step "$kind"

# refuses WHY: no COW file, and its reason from dbdctl and in the kernel's log
refuses() {
	local out
	dmesg --clear
	refused "Operation not supported" dbdctl setup-snapshot -f 5 "$ORIGIN" $MOUNT/cow.0 0
	[ ! -e $MOUNT/cow.0 ] || die "$kind: a refused set-up left its COW file"
	dmesg | matches "cannot be a COW file; " || die "$kind: no reason is in the kernel's log"
	! out=$(dbdctl_tool setup-snapshot -f 5 "$ORIGIN" $MOUNT/cow.0 0 2>&1) || die "$kind: dbdctl set it up"
	case $out in *"$1"*"Operation not supported") ;; *) die "$kind: dbdctl says '$out'" ;; esac
	umount $MOUNT
	step "$kind: $out"
}

kind="data=journal"
mkfs.ext4 -q -F "$ORIGIN"
mount -o data=journal "$ORIGIN" $MOUNT
refuses "ext4 writes its data through the journal (data=journal)"
kind="data=journal by default"
tune2fs -o journal_data "$ORIGIN" >/dev/null
mount "$ORIGIN" $MOUNT
refuses "ext4 writes its data through the journal (data=journal)"
kind="realtime"
mkfs.xfs -q -f --unsupported -r rtdev=/dev/vdc -d rtinherit=1 "$ORIGIN" 2>/dev/null
mount -o rtdev=/dev/vdc "$ORIGIN" $MOUNT
refuses "lies on the realtime device of this XFS"
unload_module
