# Measures writes to a 1 GiB ext4 volume, and reads of its snapshot, in each state of tracking; dm-snapshot beside it.
# Prints one line of JSON per figure; tests/bench/tracking.ts makes tables of them. ROUNDS rounds, each with every state, after
# one that warms the emulator up and is not printed.
. "$PROJECT/tests/vm/guest/lib.sh"
ROUNDS=${ROUNDS:-3}
SEED=1

# Files on the volume, one per kind of write, so that no kind meets blocks that another has already changed.
QD1_MIB=32
QD32_MIB=96
SEQUENTIAL_MIB=224
COW_MIB=370

cpu_ticks() { awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat; }
disk_ios() { awk '{ print $1 + 0, $5 + 0, int(($3 + $7) / 8) }' /sys/block/vda/stat; }

# figure STATE KIND OPERATIONS SECONDS: with what it cost in CPU time and in I/O on the volume's disk since begin()
begin() { read -r r0 w0 b0 <<<"$(disk_ios)"; c0=$(cpu_ticks); }
figure() {
	local r w b c
	c=$(cpu_ticks)
	read -r r w b <<<"$(disk_ios)"
	[ "$round" -gt 0 ] || return 0
	awk -v state="$1" -v kind="$2" -v n="$3" -v s="$4" -v c=$((c - c0)) -v r=$((r - r0)) -v w=$((w - w0)) -v b=$((b - b0)) -v round="$round" '
		BEGIN { printf "{\"round\":%d,\"state\":\"%s\",\"kind\":\"%s\",\"perSecond\":%.2f,\"cpuMicroseconds\":%.1f,\"reads\":%.3f,\"writes\":%.3f,\"blocks\":%.3f}\n",
			round, state, kind, n / s, c * 10000 / n, r / n, w / n, b / n }'
}

# write_test STATE KIND BLOCK DEPTH MIB PATTERN FIO_OPTION...: O_DIRECT, the same blocks in the same order every time
write_test() {
	local state=$1 kind=$2 block=$3 depth=$4 mib=$5 pattern=$6 ms
	sync
	begin
	ms=$(fio --name="$kind" --filename="$MOUNT/$kind" --size="${mib}M" --rw="$pattern" --bs="$block" --iodepth="$depth" --direct=1 \
		--ioengine=libaio --randseed=$SEED --overwrite=1 --minimal | cut -d';' -f50)
	[ "$ms" -gt 0 ] || die "fio measured nothing"
	figure "$state" "$kind" $((mib * 1024 / ${block%k})) "$(awk -v ms="$ms" 'BEGIN { print ms / 1000 }')"
}

writes() {
	write_test "$1" qd1 4k 1 $QD1_MIB randwrite
	write_test "$1" qd32 4k 32 $QD32_MIB randwrite
	write_test "$1" sequential 1024k 4 $SEQUENTIAL_MIB write
}

# read_test STATE DEVICE: where the sequential file's largest extent lies, several times, in direct reads of 1 MiB
read_test() {
	local offset bytes ms loops=8
	read -r offset bytes < <(filefrag -b4096 -v $MOUNT/sequential | tr -d ':' | awk '
		$1 ~ /^[0-9]+$/ { sub(/\.\..*/, "", $4); if ($6 > n) { n = $6; at = $4 } } END { print at * 4096, int(n / 256) * 1048576 }')
	begin
	ms=$(fio --name=read --filename="$2" --offset="$offset" --size="$bytes" --rw=read --bs=1024k --direct=1 --ioengine=libaio \
		--iodepth=1 --loops=$loops --readonly --minimal | cut -d';' -f9)
	figure "$1" read $((bytes / 1048576 * loops)) "$(awk -v ms="$ms" 'BEGIN { print ms / 1000 }')"
}

make_files() {
	dd if=/dev/urandom of=$MOUNT/qd1 bs=1M count=$QD1_MIB conv=fsync status=none
	dd if=/dev/urandom of=$MOUNT/qd32 bs=1M count=$QD32_MIB conv=fsync status=none
	dd if=/dev/urandom of=$MOUNT/sequential bs=1M count=$SEQUENTIAL_MIB conv=fsync status=none
}

with_module() {
	load_module
	dbdctl setup-snapshot -f $COW_MIB $ORIGIN $MOUNT/cow.1 0
	read_test fresh /dev/datto0
	writes fresh
	writes copied
	read_test copied /dev/datto0
	dbdctl transition-to-incremental 0
	dbdctl transition-to-snapshot -f $COW_MIB $MOUNT/cow.2 0
	dbdctl transition-to-incremental 0
	rm $MOUNT/cow.1
	writes incremental
	same "error" "$(field 0 error)" ""
	dbdctl destroy 0
	unload_module
}

with_dm_snapshot() {
	local sectors
	sectors=$(blockdev --getsz $ORIGIN)
	umount $MOUNT
	dd if=/dev/zero of=/dev/vdb bs=1M count=1 status=none
	dmsetup create base --table "0 $sectors snapshot-origin $ORIGIN"
	dmsetup create snap --table "0 $sectors snapshot $ORIGIN /dev/vdb P 8"
	mount /dev/mapper/base $MOUNT
	read_test dm-fresh /dev/mapper/snap
	writes dm-fresh
	writes dm-copied
	read_test dm-copied /dev/mapper/snap
	umount $MOUNT
	udevadm settle
	dmsetup remove snap
	dmsetup remove base
	mount $ORIGIN $MOUNT
}

[ -e /sys/module/dm_snapshot ] || modprobe dm-snapshot
make_origin
umount $MOUNT
mount $ORIGIN $MOUNT
make_files
for round in $(seq 0 "$ROUNDS"); do
	read_test none $ORIGIN
	writes none
	with_module
	with_dm_snapshot
done
umount $MOUNT
check_device $ORIGIN
