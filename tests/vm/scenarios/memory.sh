# Memory in proportion to what is used: a large volume that nobody writes to takes little, the index takes what it holds, up to its
# limit, and in incremental mode there is none.
. "$PROJECT/tests/vm/guest/lib.sh"
mkdir -p $MOUNT
mkfs.xfs -q -K -l size=64m $ORIGIN	# 64 GiB: an index of 128 MiB, bitmaps of 2 MiB
mount $ORIGIN $MOUNT
fallocate -l 8G $MOUNT/file
load_module

# taken: KiB of memory that the module has mapped
taken() { awk '/dattobd/ { sum += $2 } END { print int(sum / 1024) }' /proc/vmallocinfo; }
below() { [ "$2" -lt "$3" ] || die "$1: $2 KiB are taken, expected less than $3"; }
block=$(block_of $MOUNT/file)
# touch_sections FIRST COUNT: a block in each of so many sections of the index
touch_sections() {
	fio --name=touch --filename=$ORIGIN --allow_mounted_write=1 --direct=1 --rw=write:16380k --bs=4k --thread --number_ios="$2" \
		--offset=$((block * 4096 + $1 * 16777216)) --size=$(($2 * 16777216)) --eta=never --output=/run/fio.log || die "$(cat /run/fio.log)"
}

dbdctl setup-snapshot -f 300 $ORIGIN $MOUNT/cow 0
idle=$(taken)
below "an idle snapshot" "$idle" 9000
before=$(dd if=/dev/datto0 bs=1M skip=$((block * 4096)) count=4 iflag=direct,skip_bytes status=none | sha256sum)
touch_sections 0 100
some=$(taken)
[ "$some" -gt $((idle + 2000)) ] || die "100 sections: $some KiB are taken, as good as when idle ($idle)"
below "100 sections" "$some" $((idle + 4500))
same "the snapshot" "$(dd if=/dev/datto0 bs=1M skip=$((block * 4096)) count=4 iflag=direct,skip_bytes status=none | sha256sum)" "$before"
dbdctl transition-to-incremental 0
none=$(taken)
below "incremental" "$none" $((idle - 400))
step "idle $idle KiB, with 100 sections $some KiB, incremental $none KiB"
dbdctl destroy 0

dbdctl setup-snapshot -c 1 -f 300 $ORIGIN $MOUNT/cow 0
touch_sections 100 100
few=$(taken)
below "100 sections, at a limit of 1 MiB" "$few" $((idle + 700))
for ((n = 100; n < 200; n += 9)); do dd if=/dev/datto0 bs=4k skip=$((block + n * 4096)) count=1 iflag=direct status=none; done | sha256sum >/run/read
for ((n = 100; n < 200; n += 9)); do head -c 4096 /dev/zero; done | sha256sum >/run/zeros
cmp /run/read /run/zeros || die "the snapshot lost what it held"
step "100 sections at a limit of 1 MiB: $few KiB"
dbdctl destroy 0
umount $MOUNT

# idle_volume SIZE SNAPSHOT_MIB INCREMENTAL_MIB COW_MIB: what a sparse volume of that size takes while nobody writes to it, at most
idle_volume() {
	local disk
	truncate -s "$1" /run/volume
	disk=$(losetup --find --show /run/volume)
	mkfs.xfs -q -K -l size=64m "$disk"
	mount "$disk" $MOUNT
	dbdctl setup-snapshot -f "$4" "$disk" $MOUNT/cow 0
	idle=$(taken)
	below "an idle snapshot of $1" "$idle" $((($2 - RING_MIB) * 1024))
	dbdctl transition-to-incremental 0
	none=$(taken)
	below "incremental, $1" "$none" $(($3 * 1024))
	step "$1: idle $idle KiB and the ring of $RING_MIB MiB, incremental $none KiB"
	dbdctl destroy 0
	umount $MOUNT
	losetup -d "$disk"
	rm /run/volume
}
RING_MIB=8	# single pages, which are not mapped
idle_volume 1T 16 8 2200
idle_volume 6T 24 16 12500

# More than 64 TiB: refused with its reason, and nothing is left.
truncate -s 65T /run/huge
huge=$(losetup --find --show /run/huge)
mkfs.xfs -q -K -l size=64m "$huge"
mount "$huge" $MOUNT
refused "File too large" dbdctl setup-snapshot -f 100 "$huge" $MOUNT/cow 0
dmesg | matches "datto: minor 0: loop.* has more than 64 TiB" || die "nothing in the kernel's log of its size"
refused "more than 64 TiB" dbdctl_tool setup-snapshot -f 100 "$huge" $MOUNT/cow 0
[ ! -e $MOUNT/cow ] || die "a set-up that was refused left its COW file behind"
step "65 TiB: refused, with its reason"
umount $MOUNT
losetup -d "$huge"
unload_module
