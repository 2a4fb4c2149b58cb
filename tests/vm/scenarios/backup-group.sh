# datto-backup of two volumes at one instant, with the real module: what is written to one after the other is never in the second image only,
# whatever is killed; and one that cannot be backed up keeps the other's snapshot from being taken.
. "$PROJECT/tests/vm/guest/lib.sh"
pairs() { "$PROGRAMS/pairs" "$@"; }
DEVICES=(/dev/vda1 /dev/vda2)
NAMES=(data logs)
volume() { echo "/mnt/${NAMES[$1]}"; }
image() { echo "$SCRATCH/${NAMES[$1]}/volume.img"; }
truth=$SCRATCH/truth
group() { tool datto-backup run data; }

printf ',%dM\n,%dM\n' 96 96 | sfdisk -q $ORIGIN
settle
make_scratch
mkdir $truth
if [ "$FS" = ext4 ]; then TYPES=(ext4 xfs); else TYPES=(xfs ext4); fi
for n in 0 1; do
	if [ "${TYPES[n]}" = ext4 ]; then FS_BLOCK=4096 make_ext4 "${DEVICES[n]}"; else mkfs.xfs -q --unsupported "${DEVICES[n]}"; fi	# it means the size
	mkdir -p "$(volume $n)" "$SCRATCH/${NAMES[n]}"
	mount "${DEVICES[n]}" "$(volume $n)"
	noise "$(volume $n)/noise" 6
done
load_module

# The hook sees both snapshots, once both are there, and what it reads of them is compared with the images.
cat >$SCRATCH/read-snapshots <<HOOK
#!/bin/bash
[ "\$DATTO_OUTCOME" = taken ] || exit 0
[ "\$DATTO_VOLUME" = $'${DEVICES[0]}\n${DEVICES[1]}' ] || { echo "the hook's volumes are \$DATTO_VOLUME"; exit 1; }
for n in 0 1; do dd if=/dev/datto\$n of=$truth/\$n bs=1M iflag=direct oflag=direct status=none || exit; done
echo >>$truth/count
HOOK
chmod 755 $SCRATCH/read-snapshots
mkdir -p /etc/dattobd/backup.d
for n in 0 1; do
	{
		echo "volume = ${DEVICES[n]}"
		echo "folder = $SCRATCH/${NAMES[n]}"
		echo "minor = $n"
		echo "cow-size = 16"
		echo "checkpoint = 1"
		echo "hook-limit = 20min"
		if [ $n = 0 ]; then echo "with = logs" && echo "after = $SCRATCH/read-snapshots"; else echo "schedule = never"; fi
	} >"/etc/dattobd/backup.d/${NAMES[n]}.conf"
done

# Two writers: one volume after the other, and the opposite.
for n in 0 1; do pairs make "$(volume $n)"/{up,down}; done
"$PROGRAMS/pairs" write "$(volume 0)/up" "$(volume 1)/up" &
WRITERS=($!)
"$PROGRAMS/pairs" write "$(volume 1)/down" "$(volume 0)/down" &
WRITERS+=($!)

# proven WHAT: both images are what the hook read of the last snapshots, which are of one instant
proven() {
	local n up down
	for n in 0 1; do
		same "$1: state of minor $n" "$(field $n state)" 2
		equal "$(image $n)" $truth/$n || die "$1: the image of ${NAMES[n]} differs from the snapshot"
		same "$1: COW files of ${NAMES[n]}" "$(find "$(volume $n)/.datto-backup-files" -type f -name 'cow-*' | wc -l)" 1
	done
	up=$(pairs check "$(image 0):$(volume 0)/up" "$(image 1):$(volume 1)/up") || die "$1: the images are not of one instant: $up"
	down=$(pairs check "$(image 1):$(volume 1)/down" "$(image 0):$(volume 0)/down") || die "$1: the images are not of one instant: $down"
	step "$1: both images are of one instant: up $up, down $down"
}

group >/run/said 2>&1 || die "the first run: $(cat /run/said)"
grep -q '^data: full copy of ' /run/said && grep -q '^logs: full copy of ' /run/said || die "the first run said: $(cat /run/said)"
proven "the first run"
for round in $(seq "$(rounds 1 10)"); do
	group >/run/said 2>&1 || die "round $round: $(cat /run/said)"
	same "round $round: kinds" "$(grep -c '^\(data\|logs\): incremental, ' /run/said)" 2
	proven "round $round"
done

# killed NAME: a run that is killed once it copies the snapshot of this member
killed() {
	local status=0 victim
	for n in 0 1; do dd if=/dev/urandom of="$(volume $n)/noise" bs=1M count=4 conv=notrunc,fsync status=none; done
	: >/run/said	# what the run before said
	node "$PROJECT/dist/datto-backup.mjs" run data >/run/said 2>&1 &
	victim=$!
	until grep -q "^$1: snapshot .* is /dev/datto" /run/said || ! kill -0 $victim 2>/dev/null; do nap 0.05; done
	kill -9 $victim 2>/dev/null || true
	wait $victim 2>/dev/null || status=$?
	same "killed during $1 ($(cat /run/said)): status" $status 137
	step "killed during $1: states $(field 0 state) and $(field 1 state)"
	group >/run/said 2>&1 || die "the run after a kill: $(cat /run/said)"
	proven "after a kill during $1"
}
for round in $(seq "$(rounds 1 5)"); do
	killed data
	killed logs
done

# One that is not mounted: no snapshot of the other.
kill "${WRITERS[@]}" || die "a writer ended early"
wait "${WRITERS[@]}" 2>/dev/null || true
before=$(field 0 seq_id)
count=$(wc -l <$truth/count)
umount "$(volume 1)"
status=0
group >/run/said 2>&1 || status=$?
same "status without a member ($(cat /run/said))" $status 22
grep -q '^datto-backup: logs: cannot back up /dev/vda2: it is not mounted' /run/said || die "$(cat /run/said)"
grep -q '^datto-backup: data: .*no snapshot was taken, as /dev/vda2 of its group' /run/said || die "$(cat /run/said)"
same "snapshots of data" "$(field 0 seq_id)" "$before"
same "runs of the hook" "$(wc -l <$truth/count)" "$count"
status=0
tool datto-backup status >/run/said 2>&1 || status=$?
same "status of the backups ($(cat /run/said))" $status 1
mount "${DEVICES[1]}" "$(volume 1)"
group >/run/said 2>&1 || die "with both again: $(cat /run/said)"
proven "with both again"
tool datto-backup status >/run/said 2>&1 || die "the backups are not good: $(cat /run/said)"

# A folder of two members.
sed -i "s|^folder = .*|folder = $SCRATCH/data|" /etc/dattobd/backup.d/logs.conf
status=0
group >/run/said 2>&1 || status=$?
same "status with one folder ($(cat /run/said))" $status 22
grep -q "$SCRATCH/data is the target of two of them" /run/said || die "$(cat /run/said)"
step "a member that cannot be backed up keeps the other from it, and says so"
