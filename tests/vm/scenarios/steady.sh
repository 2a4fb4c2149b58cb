# A switch of mode ends while writers that pass the filesystem, and so its freeze, go on and on.
. "$PROJECT/tests/vm/guest/lib.sh"
modprobe -q dm-delay || true
disk=$ORIGIN
ORIGIN=/dev/mapper/slow
sectors=$(blockdev --getsz $disk)
# What these writers overwrite is read slowly: while one write waits for its copy, the next comes in.
first=$((340 << 11)) length=$((80 << 11)) end=$((420 << 11))
printf '%s\n' "0 $first linear $disk 0" "$first $length delay $disk $first 300 $disk $first 0 $disk $first 0" \
	"$end $((sectors - end)) linear $disk $end" | dmsetup create slow
make_origin
load_module
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
fio --filename=$ORIGIN --allow_mounted_write=1 --rw=write --bs=4k --direct=1 --thread --time_based --runtime=600 --eta=never \
	--output=/run/fio.log --size=20M --name=a --offset=340M --name=b --offset=360M --name=c --offset=380M --thinktime=100ms --name=d --offset=400M --thinktime=50ms &
fio=$!
sleep 5
begin=$(date +%s%3N)
timeout 300 "$PROGRAMS/dbdctl" transition-to-incremental 0 || die "the switch waited for the end of the writers"
step "transition-to-incremental took $(($(date +%s%3N) - begin)) ms"
kill -0 $fio 2>/dev/null || die "the writers ended early: $(cat /run/fio.log)"
same "state" "$(field 0 state)" 2
same "error" "$(field 0 error)" ""
end_fio $fio
dbdctl destroy 0
umount $MOUNT
unload_module
