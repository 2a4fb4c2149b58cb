# Brings an image of a real snapshot device up to date, block by block, with dd and with update-img, past a cold page cache.
# Prints one line of JSON per figure; tests/bench/update-vm.ts makes tables of them.
. "$PROJECT/tests/vm/guest/lib.sh"
ROUNDS=${ROUNDS:-3}
SCRATCH_IMAGE=$SCRATCH/image
SIZE=$(blockdev --getsize64 $ORIGIN)
FILE_MIB=$((SIZE * 85 / 100 / 1048576))
# Small: the blocks of the next COW file are among those that change.
COW_MIB=16
number=1

now_ms() { date +%s%3N; }

# cold: nothing of the files is in memory
cold() {
	rm -f $SCRATCH_IMAGE.datto-state
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# figure CASE NAME MS COPY_MS
figure() { printf '{"case":"%s","name":"%s","round":%d,"ms":%d,"copyMs":%d}\n' "$1" "$2" "$round" "$3" "$4"; }

# timed CASE NAME COMMAND...: until all of the image is on disk
timed() {
	local case=$1 name=$2 began ms
	shift 2
	cold
	began=$(now_ms)
	"$@" || die "$name failed"
	ms=$(($(now_ms) - began))
	figure "$case" "$name" $ms $ms
}

# timed_update CASE OPTION...: the same of update-img; also from its saying that it copies to its end
timed_update() {
	local case=$1 began copying='' ended line
	shift
	cold
	began=$(now_ms)
	while read -r line; do
		[ "$line" != 'copying blocks' ] || copying=$(now_ms)
		[ "$line" != 'failed' ] || die "update-img $* failed"
	done < <(update_img "$@" /dev/datto0 "$cow" $SCRATCH_IMAGE || echo failed)
	ended=$(now_ms)
	[ -n "$copying" ] || die "update-img did not say that it copies"
	figure "$case" "update-img${1:+ $1}" $((ended - began)) $((ended - copying))
}

# measure CASE CONTENDER: once
measure() {
	case $2 in
	one-by-one) timed "$1" 'one block at a time' "$PROGRAMS/one-by-one" /dev/datto0 "$cow" $SCRATCH_IMAGE "$SIZE" ;;
	dd) timed "$1" 'dd bs=1M' dd if=/dev/datto0 of=$SCRATCH_IMAGE bs=1M conv=notrunc,fsync status=none ;;
	update-img) timed_update "$1" ;;
	direct) timed_update "$1" --direct ;;
	at-once) timed "$1" 'C, many at once' "$PROGRAMS/at-once" /dev/datto0 "$cow" $SCRATCH_IMAGE "$SIZE" ;;
	esac
}

# change CASE FIO_OPTION...: writes to the volume in incremental mode, then takes the next snapshot, and measures
change() {
	local case=$1 cow blocks turn contenders=(one-by-one update-img direct at-once)
	shift
	fio --name=change --filename=$MOUNT/file --direct=1 --ioengine=libaio --iodepth=32 --randseed=1 "$@" --minimal >/dev/null
	cow=$MOUNT/cow.$number
	number=$((number + 1))
	dbdctl transition-to-snapshot -f $COW_MIB $MOUNT/cow.$number 0
	blocks=$(images listed "$cow" "$SIZE")
	printf '{"case":"%s","blocks":%d}\n' "$case" "$blocks"
	[ "$case" != whole ] || contenders+=(dd)
	for round in $(seq 1 "$ROUNDS"); do
		# Every other round backwards, so that not always the same one follows Node: it takes half as long again.
		for turn in "${!contenders[@]}"; do
			((round % 2)) || turn=$((-1 - turn))
			measure "$case" "${contenders[turn]}"
		done
	done
	[ "$case" = whole ] || equal /dev/datto0 $SCRATCH_IMAGE || die "$case: the image is not the snapshot"
	dbdctl transition-to-incremental 0
	rm "$cow"
}

# Not xfs: clones, and what they make of the writes after them, are not what is measured.
make_ext4 /dev/vdb
mkdir -p $SCRATCH
mount /dev/vdb $SCRATCH
make_origin
dd if=/dev/urandom of=$MOUNT/file bs=1M count=$FILE_MIB conv=fsync status=none
load_module
dbdctl setup-snapshot -f $COW_MIB $ORIGIN $MOUNT/cow.1 0
copy_device /dev/datto0 $SCRATCH_IMAGE
dbdctl transition-to-incremental 0
change scattered --size=${FILE_MIB}M --rw=randwrite --bs=4k --io_size=80000k
change runs --size=${FILE_MIB}M --rw=randwrite --bs=64k --io_size=$((SIZE / 10))
change whole --size=${FILE_MIB}M --rw=write --bs=1M
dbdctl destroy 0
umount $MOUNT
unload_module
