# Measures writes to a 1 GiB ext4 volume, and reads of its snapshot, in each state of tracking; dm-snapshot beside it. Also what they cost
# in CPU time and in I/O of the volume's disk. tests/bench/tracking.ts makes tables of it.
. "$PROJECT/tests/bench/lib.sh"

# Files on the volume, one per kind of write, so that no kind meets blocks that another has already changed: name, block, depth, MiB, pattern
KINDS='qd1 4k 1 32 randwrite
qd32 4k 32 96 randwrite
sequential 1024k 4 224 write'
COW_MIB=370

cpu_ticks() { awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat; }
disk_ios() { awk '{ print $1 + 0, $5 + 0, int(($3 + $7) / 8) }' /sys/block/vda/stat; }

begin() { read -r r0 w0 b0 <<<"$(disk_ios)"; c0=$(cpu_ticks); }
# cost STATE KIND OPERATIONS SECONDS: a figure, with what each operation cost since begin()
cost() {
	local r w b c values
	c=$(cpu_ticks)
	read -r r w b <<<"$(disk_ios)"
	values=$(awk -v n="$3" -v s="$4" -v c=$((c - c0)) -v r=$((r - r0)) -v w=$((w - w0)) -v b=$((b - b0)) '
		BEGIN { printf "perSecond %.2f cpuMicroseconds %.1f reads %.3f writes %.3f blocks %.3f", n / s, c * 10000 / n, r / n, w / n, b / n }')
	# shellcheck disable=SC2086
	figure "$1" "$2" $values
}

writes() {
	local name block depth mib pattern seconds
	while read -r name block depth mib pattern; do
		sync
		begin
		seconds=$(write_seconds "$name" "$block" "$depth" "$mib" "$pattern" </dev/null)
		cost "$1" "$name" $((mib * 1024 / ${block%k})) "$seconds"
	done <<<"$KINDS"
}

# reads STATE DEVICE: where the sequential file's largest extent lies, several times, in direct reads of 1 MiB
reads() {
	local offset mib ms loops=8
	read -r offset mib < <(filefrag -b4096 -v $MOUNT/sequential | tr -d ':' | awk '
		$1 ~ /^[0-9]+$/ { sub(/\.\..*/, "", $4); if ($6 > n) { n = $6; at = $4 } } END { print at * 4096, int(n / 256) }')
	begin
	ms=$(fio --name=read --filename="$2" --offset="$offset" --size="${mib}M" --rw=read --bs=1024k --direct=1 --ioengine=libaio \
		--iodepth=1 --loops=$loops --readonly --minimal | cut -d';' -f9)
	cost "$1" read $((mib * loops)) "$(awk -v ms="$ms" 'BEGIN { print ms / 1000 }')"
}

measure() {
	case $1 in
	none | fresh | dm-fresh)
		reads "$1" "$2"
		writes "$1"
		;;
	incremental | fresh-bare | incremental-bare) writes "$1" ;;
	copied-bare) ;;
	*)
		writes "$1"
		reads "$1" "$2"
		;;
	esac
}

make_origin
umount $MOUNT
mount $ORIGIN $MOUNT
while read -r name _ _ mib _; do make_file "$name" "$mib"; done <<<"$KINDS"
for round in $(seq 0 "$ROUNDS"); do
	in_states measure $COW_MIB
	with_module measure $COW_MIB -bare checkpoint_interval=0
done
umount $MOUNT
check_device $ORIGIN
