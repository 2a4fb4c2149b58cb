# Measures how long each 4 KiB write of a careful writer takes while a large file is written back, in each state of tracking; dm-snapshot
# beside it. On the plain disk, then on one that takes 8 ms longer for each request. tests/bench/latency.ts makes tables of it.
. "$PROJECT/tests/bench/lib.sh"
COW_MIB=$((BULK_MIB + 100))

measure() {
	local begin end count longest p99
	[ "$1" != dm-copied ] || return 0
	sync
	echo 1 >/proc/sys/vm/drop_caches	# the file is written faster over pages that are in memory
	start_writer
	begin=$(now_ms)
	dd if=/dev/zero of=$MOUNT/bulk bs=1M count="$BULK_MIB" conv=notrunc,fsync status=none
	end=$(now_ms)
	stop_writer
	read -r count longest p99 < <(writer_figures "$begin" "$end")
	figure "$1" "$disk" longest "$longest" p99 "$p99" count "$count" milliseconds $((end - begin))
}

# measure_disk NAME: on $ORIGIN
measure_disk() {
	disk=$1
	make_origin
	umount $MOUNT
	mount "$ORIGIN" $MOUNT
	make_file writer $WRITER_MIB
	make_file bulk "$BULK_MIB"
	for round in $(seq 0 "$ROUNDS"); do in_states measure $COW_MIB; done
	umount $MOUNT
	check_device "$ORIGIN"
}

measure_disk plain
wipefs -qa $ORIGIN
delayed slow /dev/vda
delayed slow-cow /dev/vdb
ORIGIN=$(queued /dev/mapper/slow)
COW_DEVICE=$(queued /dev/mapper/slow-cow)
measure_disk delayed
