# Measures writes to a volume on a disk that takes 8 ms longer for each request, in each state of tracking; dm-snapshot beside it, its
# copies on such a disk too. tests/bench/delay.ts makes tables of it.
. "$PROJECT/tests/bench/lib.sh"

# Files on the volume, one per kind of write, so that no kind meets blocks that another has already changed: name, block, depth, MiB, pattern
KINDS='qd1 4k 1 2 randwrite
qd4 4k 4 4 randwrite
qd16 4k 16 16 randwrite
qd64 4k 64 64 randwrite
sequential 1024k 4 256 write'
COW_MIB=370

measure() {
	local name block depth mib pattern
	[ "$1" != dm-copied ] || return 0
	while read -r name block depth mib pattern; do
		sync
		seconds=$(write_seconds "$name" "$block" "$depth" "$mib" "$pattern" </dev/null)
		figure "$1" "$name" perSecond "$(awk -v n=$((mib * 1024 / ${block%k})) -v s="$seconds" 'BEGIN { print n / s }')"
	done <<<"$KINDS"
}

delayed slow /dev/vda
delayed slow-cow /dev/vdb
ORIGIN=/dev/mapper/slow
COW_DEVICE=/dev/mapper/slow-cow
make_origin
umount $MOUNT
mount $ORIGIN $MOUNT
while read -r name _ _ mib _; do make_file "$name" "$mib"; done <<<"$KINDS"
for round in $(seq 0 "$ROUNDS"); do in_states measure $COW_MIB; done
umount $MOUNT
check_device $ORIGIN
