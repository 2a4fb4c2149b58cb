# shellcheck shell=bash
# What the machines of the bench share: lines of figures, the states of tracking, a slow disk, a writer whose latencies are kept.
. "$PROJECT/tests/vm/guest/lib.sh"
ROUNDS=${ROUNDS:-3}
round=0
SEED=1
COW_DEVICE=/dev/vdb	# where dm-snapshot keeps its copies
DELAY_MS=8
QUEUE=64

now_ms() { date +%s%3N; }

# figure STATE KIND NAME VALUE...: one line of JSON for measure.ts. Round 0 warms the emulator up and is not printed.
figure() {
	local line
	[ "$round" -gt 0 ] || return 0
	line="{\"round\":$round,\"state\":\"$1\",\"kind\":\"$2\""
	shift 2
	while [ $# -gt 0 ]; do
		line+=",\"$1\":$2"
		shift 2
	done
	say "$line}"
}

# make_file NAME MIB: on the volume, and on its disk
make_file() { dd if=/dev/zero of="$MOUNT/$1" bs=1M count="$2" conv=fsync status=none; }

# write_seconds NAME BLOCK DEPTH MIB PATTERN: how long fio takes to write a file by O_DIRECT; the same blocks in the same order every time
write_seconds() {
	local ms
	ms=$(fio --name="$1" --filename="$MOUNT/$1" --bs="$2" --iodepth="$3" --size="${4}M" --rw="$5" --direct=1 --ioengine=libaio \
		--randseed=$SEED --overwrite=1 --minimal | cut -d';' -f50)
	[ "$ms" -gt 0 ] || die "fio measured nothing"
	awk -v ms="$ms" 'BEGIN { print ms / 1000 }'
}

# in_states FUNCTION COW_MIB: calls FUNCTION STATE SNAPSHOT in each state. The volume is mounted before and after.
in_states() {
	"$1" none "$ORIGIN"
	with_module "$@"
	with_dm_snapshot "$1"
}

# with_module FUNCTION COW_MIB [SUFFIX PARAMETER]: in the states of the module; with a parameter of it their names have the suffix
with_module() {
	# shellcheck disable=SC2086
	load_module ${4:-}
	dbdctl setup-snapshot -f "$2" "$ORIGIN" $MOUNT/cow.1 0
	"$1" "fresh${3:-}" /dev/datto0
	"$1" "copied${3:-}" /dev/datto0
	dbdctl transition-to-incremental 0
	dbdctl transition-to-snapshot -f "$2" $MOUNT/cow.2 0
	dbdctl transition-to-incremental 0
	rm $MOUNT/cow.1
	"$1" "incremental${3:-}" ''
	same "error" "$(field 0 error)" ""
	dbdctl destroy 0
	unload_module
}

with_dm_snapshot() {
	local sectors
	[ -e /sys/module/dm_snapshot ] || modprobe dm-snapshot
	sectors=$(blockdev --getsz "$ORIGIN")
	umount $MOUNT
	dd if=/dev/zero of="$COW_DEVICE" bs=1M count=1 conv=fsync status=none
	dmsetup create base --table "0 $sectors snapshot-origin $ORIGIN"
	dmsetup create snap --table "0 $sectors snapshot $ORIGIN $COW_DEVICE P 8"
	mount /dev/mapper/base $MOUNT
	"$1" dm-fresh /dev/mapper/snap
	"$1" dm-copied /dev/mapper/snap
	umount $MOUNT
	settle
	dmsetup remove snap
	dmsetup remove base
	mount "$ORIGIN" $MOUNT
}

# delayed NAME DISK: /dev/mapper/NAME, which takes DELAY_MS longer for each request than DISK
delayed() {
	[ -e /sys/module/dm_delay ] || modprobe dm-delay
	dmsetup create "$1" --table "0 $(blockdev --getsz "$2") delay $2 0 $DELAY_MS $2 0 $DELAY_MS"
	settle
}

# queued DISK: prints the name of a disk that hands at most QUEUE requests to DISK at once
queued() {
	local loop
	loop=$(losetup --find --show --direct-io=on "$1")
	echo $QUEUE >"/sys/block/$(basename "$loop")/queue/nr_requests" || die "$loop: no queue of $QUEUE"
	settle
	echo "$loop"
}

# start_writer: rewrites 4 KiB blocks of $MOUNT/writer in the background, one at a time, by O_DIRECT and O_DSYNC
WRITER_MIB=16
start_writer() {
	rm -f /run/writer*
	fio --name=writer --filename=$MOUNT/writer --size=${WRITER_MIB}M --rw=randwrite --bs=4k --direct=1 --sync=dsync --ioengine=psync \
		--thread --overwrite=1 --randseed=$SEED --time_based --runtime=100000 --write_lat_log=/run/writer --log_unix_epoch=1 \
		--eta=never --output=/run/writer.log &
	writer=$!
	until_true 60 "the writer's first writes" writer_writes
}
writer_writes() { awk '$1 == "write_bytes:" { exit $2 < 100000 }' /proc/"$writer"/io; }
stop_writer() { end_fio "$writer"; }

# writer_figures BEGIN END: of the writer's writes between the two times, in ms, prints their number, the longest and the 99th percentile
writer_figures() {
	awk -F', *' -v begin="$1" -v end="$2" '{ ms = $2 / 1e6; if ($1 >= begin && $1 - ms <= end) print ms }' /run/writer_lat.1.log |
		sort -n | awk '{ ms[NR] = $1 } END { if (NR) print NR, ms[NR], ms[int((NR * 99 + 99) / 100)] }'
}
