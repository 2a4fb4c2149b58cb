# Measures the longest 4 KiB write across each switch of a volume between snapshot and incremental, and how long each request takes, for
# volumes of several sizes; the same writer idle, and across the set-up of a dm-snapshot, beside it. tests/bench/freeze.ts makes tables of it.
. "$PROJECT/tests/bench/lib.sh"
IDLE_SECONDS=5
PLACES=500	# blocks that change between two switches, all over the volume

# across NAME COMMAND...: the writes during a command
across() {
	local name=$1 begin end frozen=
	shift
	begin=$(now_ms)
	"$@" || die "$name failed"
	end=$(now_ms)
	settle
	sleep 1	# a write that began before the end is over
	[ ! -e /proc/datto-info ] || frozen=$(field 0 last_freeze_ms)
	echo "$name $begin $end $frozen" >>/run/windows
}

# print_windows: a figure for each, once the writer has ended
print_windows() {
	local name begin end frozen count longest p99
	while read -r name begin end frozen; do
		read -r count longest p99 < <(writer_figures "$begin" "$end") || die "$name: no write"
		figure "$name" "$size" longest "$longest" p99 "$p99" count "$count" milliseconds $((end - begin)) frozen "${frozen:-0}"
	done </run/windows
	rm /run/windows
}

driver() { "$PROGRAMS/dbdctl" "$@"; }
scatter() { "$PROGRAMS/scatter" write $MOUNT/places $PLACES $((++SEED)); }

with_module_across() {
	load_module
	mount "$ORIGIN" $MOUNT
	start_writer
	across none sleep $IDLE_SECONDS
	across setup driver setup-snapshot -f "$cow_mib" "$ORIGIN" $MOUNT/cow.1 0
	scatter
	across incremental driver transition-to-incremental 0
	scatter
	across snapshot driver transition-to-snapshot -f "$cow_mib" $MOUNT/cow.2 0
	scatter
	across incremental driver transition-to-incremental 0
	stop_writer
	same "error" "$(field 0 error)" ""
	dbdctl destroy 0
	rm -f $MOUNT/cow.*
	umount $MOUNT
	unload_module
	print_windows
}

# A snapshot of a mounted volume as LVM takes it.
take_dm_snapshot() {
	dmsetup create snap --notable
	dmsetup load snap --table "0 $sectors snapshot $ORIGIN $COW_DEVICE P 8"
	dmsetup load base --table "0 $sectors snapshot-origin $ORIGIN"
	dmsetup suspend base
	dmsetup resume --noudevsync snap
	dmsetup resume --noudevsync base
}

with_dm_snapshot_across() {
	[ -e /sys/module/dm_snapshot ] || modprobe dm-snapshot
	dd if=/dev/zero of=$COW_DEVICE bs=1M count=1 conv=fsync status=none
	sectors=$(blockdev --getsz "$ORIGIN")
	dmsetup create base --table "0 $sectors linear $ORIGIN 0"
	mount /dev/mapper/base $MOUNT
	start_writer
	across dm-setup take_dm_snapshot
	stop_writer
	umount $MOUNT
	settle
	dmsetup remove snap
	dmsetup remove base
	print_windows
}

# measure_size SIZE: of a sparse volume with an XFS
measure_size() {
	size=$1
	truncate -s "$size" $SCRATCH/volume
	ORIGIN=$(losetup --find --show --direct-io=on $SCRATCH/volume)
	mkfs.xfs -q -K -l size=64m -m reflink=0,rmapbt=0,finobt=0 "$ORIGIN"
	mkdir -p $MOUNT
	mount "$ORIGIN" $MOUNT
	make_file writer $WRITER_MIB
	fallocate -l $(($(blockdev --getsize64 "$ORIGIN") / 2)) $MOUNT/places
	umount $MOUNT
	# The index has 8 bytes for each block. Copies are those of the writer's file, the log, and the places.
	cow_mib=$(($(blockdev --getsize64 "$ORIGIN") / 512 / 1048576 + 200))
	for round in $(seq 0 "$ROUNDS"); do
		with_module_across
		with_dm_snapshot_across
	done
	losetup -d "$ORIGIN"
	rm $SCRATCH/volume
}

mkfs.xfs -q /dev/vda
mkdir -p $SCRATCH
mount /dev/vda $SCRATCH
for size in $SIZES; do measure_size "$size"; done
umount $SCRATCH
