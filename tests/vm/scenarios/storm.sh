# 64 writers of mixed kinds, up to 32 writes of each at once, short of memory, with swap on the origin: rounds of snapshot and
# incremental go on, every image equals its snapshot, and no write stalls: none takes 5 s, or twice as long as the longest without the
# module, where the machine is slow. STORM_SECONDS is how long (40 or 600).
. "$PROJECT/tests/vm/guest/lib.sh"
STALL_MS=5000
make_scratch
make_origin
mkdir $MOUNT/storm
dd if=/dev/zero of=$MOUNT/single bs=1M count=3 conv=fsync status=none
dd if=/dev/zero of=$MOUNT/swap bs=1M count=96 conv=fsync status=none
chmod 600 $MOUNT/swap
mkswap -q $MOUNT/swap 2>/dev/null || mkswap $MOUNT/swap >/dev/null
swapon $MOUNT/swap

# Memory of the writers, their page cache included. What swaps gets less, since it is to swap all the time.
[ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 none /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
limit() { # NAME MIB
	mkdir "/sys/fs/cgroup/$1"
	echo $(($2 * 1048576)) >"/sys/fs/cgroup/$1/memory.max"
}
limit storm 512
limit swapped 40

jobs() {
	printf '%s\n' '[global]' "directory=$MOUNT/storm" time_based runtime=100000 size=3M thread group_reporting overwrite=1 \
		'[scattered]' numjobs=16 rw=randwrite ioengine=libaio iodepth=32 direct=1 bs=4k \
		'[mixed]' numjobs=16 rw=randwrite ioengine=libaio iodepth=32 direct=1 bsrange=4k-256k \
		'[straight]' numjobs=7 rw=write ioengine=libaio iodepth=32 direct=1 bs=1M \
		'[buffered]' numjobs=16 rw=randwrite ioengine=psync bs=4k-64k bsrange=512-64k fsync=200 \
		'[mapped]' numjobs=8 rw=randwrite ioengine=mmap bs=4k
}
storm() {
	jobs >/run/storm.fio
	(echo 0 >/sys/fs/cgroup/storm/cgroup.procs; exec nice -n 5 fio --eta=never --output=/run/fio.log /run/storm.fio) &
	FIO_PID=$!
	(echo 0 >/sys/fs/cgroup/storm/cgroup.procs; exec "$PROGRAMS/single" $MOUNT/single >/run/single.log) &
	SINGLE_PID=$!
	(echo 0 >/sys/fs/cgroup/swapped/cgroup.procs
	while [ ! -e /run/calm ]; do "$PROGRAMS/swapout" 60 >/run/swapout.log || exit 1; done) &
	SWAP_PID=$!
}
# calm: sets longest: how long the longest single write took, in ms
calm() {
	touch /run/calm
	kill $SINGLE_PID
	wait $SINGLE_PID || die "the single writer ended with $?"
	end_fio $FIO_PID
	! grep -E 'error=|err=[^:]*[1-9][0-9]*:?$' /run/fio.log || die "fio saw an error"
	wait $SWAP_PID || die "memory that was swapped to the origin: $(cat /run/swapout.log)"
	longest=$(awk '$2 > n { n = $2 } END { print int(n / 1e6) }' /run/single.log)
	[ "$longest" -gt 0 ] || die "no single write was measured"
	rm /run/calm
}
# switch REQUEST…: a swap file is written past the frozen filesystem, so it may be refused, but not slowly
switch() {
	local begin=$SECONDS tries=0
	until dbdctl "$@" 2>/run/switch.log; do
		grep -q 'Device or resource busy' /run/switch.log || die "$*: $(cat /run/switch.log)"
		[ $((SECONDS - begin)) -lt 60 ] || die "$*: busy for a minute"
		tries=$((tries + 1))
	done
	[ $tries = 0 ] || say "$1: refused as busy $tries times"
}

storm
sleep 20
calm
base=$longest
step "without the module: longest single write $base ms"
load_module
storm
sleep 3
dbdctl setup-snapshot -f 420 $ORIGIN $MOUNT/cow.1 0
copy_device /dev/datto0 $SCRATCH/image
equal $SCRATCH/image /dev/datto0 || die "the snapshot moved while it was copied"
n=1
end=$((SECONDS + ${STORM_SECONDS:-$(rounds 40 600)}))
while [ $SECONDS -lt $end ] || [ $n = 1 ]; do
	switch transition-to-incremental 0
	sleep 1
	switch transition-to-snapshot -f 420 $MOUNT/cow.$((n + 1)) 0
	update_img /dev/datto0 $MOUNT/cow.$n $SCRATCH/image
	equal $SCRATCH/image /dev/datto0 || die "round $n: the image does not equal its snapshot"
	rm $MOUNT/cow.$n
	n=$((n + 1))
	same "error" "$(field 0 error)" ""
	step "round $n: $(field 0 nr_changed_blocks) blocks changed meanwhile"
done
calm
step "$n rounds, longest single write $longest ms"
[ "$longest" -le $STALL_MS ] || [ "$longest" -le $((2 * base)) ] || die "a write stalled for $longest ms"
! dmesg | grep -F 'page allocation failure' || die "memory could not be had"
dbdctl destroy 0
swapoff $MOUNT/swap
umount $MOUNT
check_device $ORIGIN
unload_module
