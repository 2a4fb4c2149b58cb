# Less common ways to write, on less common devices, four of them tracked at once: two partitions of a disk with poll
# queues, a write-back cache and small requests, a device mapper target, and a loop device.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch

modprobe null_blk gb=1 memory_backed=1 discard=1 submit_queues=2 poll_queues=1 cache_size=16
disk=/sys/block/nullb0/queue
same "the disk's cache" "$(cat $disk/write_cache) $(cat $disk/fua)" "write back 1"
same "the disk's poll queues" "$(cat $disk/io_poll)" 1
# No whole number of blocks: the last, partial one has an index entry in the first (700413 / 8 is no multiple of 4096)
# and none in the second (655363 / 8 is).
border=702461	# sectors
printf '2048,700413\n702461,655363\n' | sfdisk -q --no-reread --no-tell-kernel /dev/nullb0
until_true 60 "reading the partition table" blockdev --rereadpt /dev/nullb0
echo 16 >$disk/max_sectors_kb
modprobe dm-mod
dmsetup create origin --table "0 $(blockdev --getsz /dev/vdc) linear /dev/vdc 0"
truncate -s 320M $SCRATCH/loop
devices=(/dev/nullb0p1 /dev/nullb0p2 /dev/mapper/origin "$(losetup --find --show --direct-io=on $SCRATCH/loop)")
names=(polled neighbour mapped-device loop)
settle

ways=(uring queue polled raw dsync flush mapped)
for n in 0 1 2 3; do
	ORIGIN=${devices[n]} MOUNT=/mnt/${names[n]}
	make_origin
	for way in "${ways[@]}"; do dd if=/dev/urandom of="$MOUNT"/"$way" bs=1M count=2 status=none; done
done
sync
for n in 0 1 2 3; do
	filefrag /mnt/"${names[n]}"/raw | matches ': 1 extent' || die "${names[n]}: $(filefrag /mnt/"${names[n]}"/raw)"
	raw[n]=$(block_of /mnt/"${names[n]}"/raw)
done
load_module

# write_all N: every way to write to the device's files
write_all() {
	local dir=/mnt/${names[$1]} device=${devices[$1]} jobs=()
	jobs=(--name=uring --filename="$dir/uring" --bsrange=4k-256k --name=queue --filename="$dir/queue" --bs=16k --registerfiles=1 --fixedbufs=1)
	# A kernel thread that submits, and writers that poll for their completions, which only a disk with poll queues offers.
	[ "$1" -ge 1 ] || jobs+=(--sqthread_poll=1)
	# They write single blocks: Linux 6.1 merges what is left of a polled write that is split into one that is polled for by
	# nobody, then waits for ever. To the device too, which takes its bios from a cache that knows no interrupts.
	if [ "$1" -lt 2 ]; then
		jobs+=(--name=polled --filename="$dir/polled" --bs=4k --hipri=1)
		jobs+=(--name=raw --filename="$device" --offset=$((raw[$1] * 4096)) --allow_mounted_write=1 --bs=4k --hipri=1)
		dd if=/dev/urandom of="$device" bs=512 count=3 seek=$(($(blockdev --getsz "$device") - 3)) oflag=direct conv=notrunc status=none
	fi
	fio --rw=randwrite --size=2M --direct=1 --refill_buffers --ioengine=io_uring --iodepth=8 --thread --output=/run/fio."$1" "${jobs[@]}" ||
		die "fio: $(cat /run/fio."$1")"
	# To the device: for a file, its time of modification would have to be written first, which is waiting.
	"$PROGRAMS/writes" nowait "$device" $((raw[$1] * 4096)) $((2 << 20)) || die "${names[$1]}: nowait"
	for way in dsync flush mapped; do "$PROGRAMS/writes" $way "$dir"/$way || die "${names[$1]}: $way"; done
	sync -f "$dir"
}

# write_everywhere: to all of them at once
write_everywhere() {
	local pids=() n
	for n in 0 1 2 3; do (write_all $n) & pids+=($!); done
	for n in 0 1 2 3; do wait "${pids[n]}" || die "${names[n]}: writing failed"; done
}

for n in 0 1 2 3; do
	dbdctl setup-snapshot -f 64 "${devices[n]}" /mnt/"${names[n]}"/cow $n
	copy_device /dev/datto$n $SCRATCH/before.$n
done
step "four snapshots"

# One write over the border of the two partitions, through the disk: what is there already, while nobody changes it.
for n in 0 1; do fsfreeze -f /mnt/"${names[n]}"; noted[n]=$(field $n nr_changed_blocks); done
offset=$(((border - 128) * 512))
dd if=/dev/nullb0 of=/run/border bs=128k count=1 skip=$offset iflag=direct,skip_bytes status=none
dd if=/run/border of=/dev/nullb0 bs=128k count=1 seek=$offset oflag=direct,seek_bytes conv=notrunc status=none
for n in 0 1; do
	now=$(field $n nr_changed_blocks)
	[ $((now - noted[n])) -ge 14 ] || die "a write over the border: ${names[n]} noted $((now - noted[n])) blocks of 16"
	fsfreeze -u /mnt/"${names[n]}"
done
for n in 0 1 2 3; do noted[n]=$(field $n nr_changed_blocks); done
write_everywhere
for n in 0 1 2 3; do
	equal $SCRATCH/before.$n /dev/datto$n || die "${names[n]}: the snapshot moved"
	same "${names[n]}: error" "$(field $n error)" ""
	# 2 MiB in each of 6 ways at least.
	[ "$(field $n nr_changed_blocks)" -ge $((noted[n] + 3000)) ] || die "${names[n]}: $(field $n nr_changed_blocks) blocks noted"
	step "${names[n]}: the snapshot did not move, $(field $n nr_changed_blocks) blocks noted"
done

for n in 0 1 2 3; do dbdctl transition-to-incremental $n; done
write_everywhere
step "written to in incremental mode"
for n in 0 1 2 3; do
	dir=/mnt/${names[n]}
	dbdctl transition-to-snapshot "$dir"/cow.2 $n
	cp --reflink=always $SCRATCH/before.$n $SCRATCH/image.$n
	# The tool knows of the last block of the second one, which has no entry in the index.
	update=update_img
	[ $n != 1 ] || update=update_img_tool
	$update /dev/datto$n "$dir"/cow $SCRATCH/image.$n >/run/update-img
	equal $SCRATCH/image.$n /dev/datto$n || die "${names[n]}: the updated image differs from the snapshot"
	# A block without an entry counts as changed, and is in no list that could be looked at.
	[ $n = 1 ] || images covers $SCRATCH/before.$n $SCRATCH/image.$n "$dir"/cow || die "${names[n]}: a write was missed"
	step "${names[n]}: the updated image equals the snapshot"
	dbdctl destroy $n
	umount "$dir"
done
losetup -d "${devices[3]}"
dmsetup remove origin
modprobe -r null_blk

# Erased securely: preserved, recorded, and erased all the same.
insmod "$ERASABLE_KO"
settle
ORIGIN=/dev/erasable MOUNT=/mnt/erasable
make_origin
noise $MOUNT/file 4
block=$(block_of $MOUNT/file)
dbdctl setup-snapshot -f 32 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before.erased
noted_before=$(field 0 nr_changed_blocks)
erase() { blkdiscard -f -s -o $(((block + $1) * 4096)) -l 65536 $ORIGIN; }
erase 0
cmp -n 65536 -i 0:$((block * 4096)) /dev/zero $ORIGIN || die "secure erase: the disk has not erased"
equal $SCRATCH/before.erased /dev/datto0 || die "secure erase: the snapshot moved"
[ "$(field 0 nr_changed_blocks)" -ge $((noted_before + 16)) ] || die "secure erase: $(($(field 0 nr_changed_blocks) - noted_before)) of 16 blocks noted"
dbdctl transition-to-incremental 0
erase 32
dbdctl transition-to-snapshot $MOUNT/cow.2 0
cp --reflink=always $SCRATCH/before.erased $SCRATCH/image.erased
update_img /dev/datto0 $MOUNT/cow $SCRATCH/image.erased >/run/update-img
equal $SCRATCH/image.erased /dev/datto0 || die "secure erase: the updated image differs from the snapshot"
images covers $SCRATCH/before.erased $SCRATCH/image.erased $MOUNT/cow || die "secure erase: a write was missed"
dbdctl destroy 0
umount $MOUNT
unload_module
rmmod erasable
