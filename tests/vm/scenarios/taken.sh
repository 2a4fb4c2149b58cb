# Writes of somebody else to blocks of the COW file wait for the copies that are on their way to it: the first one, which fails the
# device, and those that come after it.
. "$PROJECT/tests/vm/guest/lib.sh"
modprobe -q dm-delay || true
disk=$ORIGIN
ORIGIN=/dev/mapper/late
sectors=$(blockdev --getsz $disk)
dmsetup create late --table "0 $sectors linear $disk 0"
make_origin
load_module debug=1
noise $MOUNT/file 8
file=$(block_of $MOUNT/file)
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow 0
cow=$(block_of $MOUNT/cow)
umount $MOUNT
clean() { dmesg | matches "a checkpoint is written"; }
until_true 30 "a clean mark" clean

# Every write to the COW file takes that long now, ours too.
delay=5
first=$((cow * 8)) length=$((20 << 11))
printf '%s\n' "0 $first linear $disk 0" "$first $length delay $disk $first 0 $disk $first $((delay * 1000)) $disk $first 0" \
	"$((first + length)) $((sectors - first - length)) linear $disk $((first + length))" | dmsetup reload late
dmsetup suspend --nolockfs late
dmsetup resume late

# Removing the clean mark takes one delay, the copies for the file take the next; meanwhile the others come.
pids=()
begin=$(date +%s%3N)
take() { # BLOCK: prints when a write to it has ended, in milliseconds from the begin
	write_raw $ORIGIN "$1" 1
	echo $(($(date +%s%3N) - begin))
}
dd if=/dev/urandom of=$ORIGIN bs=2560K seek=$((file * 4096)) oflag=direct,seek_bytes count=1 conv=notrunc status=none &
pids+=($!)
removed() { dmesg | matches "the checkpoint is removed"; }
until_true 30 "the end of the clean mark" removed
sleep 1
for n in 1 2 3; do
	take $((cow + 300 + n)) >/run/took.$n &
	pids+=($!)
done
wait "${pids[@]}"
same "error" "$(field 0 error)" -116
for n in 1 2 3; do
	say "write $n to the COW file ended after $(cat /run/took.$n) ms"
	[ "$(cat /run/took.$n)" -ge $((delay * 1900)) ] || die "write $n did not wait for the copies"
done
dmsetup suspend --nolockfs late
echo "0 $sectors linear $disk 0" | dmsetup reload late
dmsetup resume late
dbdctl destroy 0
unload_module
