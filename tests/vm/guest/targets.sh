# shellcheck shell=bash
# What the scenarios of targets share: restore points under load, with the real module. Each sources it, says what follows, and calls check_target:
#	TARGET		its address
#	ENGINE		names of the programs of which one is killed, beside the tool
#	UNIT		bytes that it reads of the volume at least, of each change
#	flip_stored	changes a bit of what points hold
. "$PROJECT/tests/vm/guest/lib.sh"
truth=$SCRATCH/truth	# what another program read of each snapshot
UNIT=4096
KILLS=$(rounds 1 20)
POINTS=$(rounds 4 6)
SEED=${TARGETS_SEED:-$RANDOM}
RANDOM=$SEED

# set_clock TIME: of today; what is timed goes on
set_clock() {
	local seconds=$SECONDS
	date -s "$(date +%Y-%m-%d) $1" >/dev/null
	SECONDS=$seconds
}
cow_mib=$(rounds 24 32)
backup_options() {
	options=(--cow-size "$cow_mib" --sample 100 --hook-limit 20min --after "$SCRATCH/read-snapshot" --keep "$1" "${@:2}" $ORIGIN "$TARGET")
}
# back_up RULES [OPTION...]: fails if it did; what it said is in /run/said
back_up() {
	local options
	backup_options "$@"
	tool datto-backup "${options[@]}" >/run/said 2>&1
}

# prepare: a volume, and a hook that reads each snapshot, also that of a run that was killed, to $truth/<point>. Clocks are set so that
# the first point is in another hour than the others, if it comes soon.
prepare() {
	local small=()
	set_clock 12:35
	make_scratch
	mkdir $truth
	[ "$FS" = ext4 ] || small=(--unsupported)	# mkfs.xfs means the size
	MOUNT_OPTIONS=nodiscard make_origin "${small[@]}"
	load_module
	cat >$SCRATCH/read-snapshot <<HOOK
#!/bin/bash
[ "\$DATTO_OUTCOME" != failed ] && [ -b /dev/datto0 ] || exit 0
series=\$(sed -n 's/.*"uuid": "\(........\).*/\1/p' $PROC)
name=\$series-\$(sed -n 's/.*"seq_id": \([0-9]*\).*/\1/p' $PROC)
[ ! -e $truth/\$name ] || exit 0
dd if=/dev/datto0 of=$truth/part bs=1M iflag=direct oflag=direct status=none || exit
# What changed is in the file that is not the snapshot's own.
own=\$(sed -n 's/.*"cow_file": ".*\/\(.*\)".*/\1/p' $PROC)
list=\$(find $MOUNT/.datto-backup-files -name 'cow-*' ! -name "\$own")
if [ -f "\$list" ]; then "$PROGRAMS/images" listed "\$list" \$(blockdev --getsize64 /dev/datto0) $UNIT >$truth/\$name.listed || exit; fi
cp /sys/block/datto0/stat $truth/\$name.stat
mv $truth/part $truth/\$name
HOOK
	chmod 755 $SCRATCH/read-snapshot
}

# names: of all points, the oldest first
names() {
	tool datto-restore list "$TARGET" >/run/list 2>&1 || die "list: $(cat /run/list)"
	awk 'NR > 1 { print $1 }' /run/list
}
newest() { names | tail -n 1; }

# proven WHAT POINT...: each equals what was read of its snapshot when that was taken
proven() {
	local what=$1 name
	shift
	for name; do
		tool datto-restore copy --force "$TARGET" "$name" $SCRATCH/restored >/run/said 2>&1 || die "$what: $name: $(cat /run/said)"
		[ -e "$truth/$name" ] || die "$what: nobody read the snapshot of point $name"
		equal $SCRATCH/restored "$truth/$name" || die "$what: point $name differs from its snapshot"
	done
	rm -f $SCRATCH/restored
	step "$what: $* equal their snapshots in every byte"
}
# forget_truths: of snapshots that are no points any more
forget_truths() {
	local file kept
	kept=$(names)
	for file in "$truth"/*-*; do
		file=${file##*/}
		matches "^${file%.*}\$" <<< "$kept" || rm "$truth/$file"
	done
}

change() { dd if=/dev/urandom of=$MOUNT/changing bs=1M count="$1" conv=notrunc,fsync status=none; }

# Points under load; the first is in an hour of its own, and those between it and the last ones are removed.
check_points() {
	local n
	for ((n = 1; n <= POINTS; n++)); do
		[ "$n" != 2 ] || set_clock 13:00:01
		[ "$n" -lt "$POINTS" ] || break
		back_up latest9 || die "run $n: $(cat /run/said)"
		step "run $n: $(tail -n 1 /run/said)"
	done
	same "points" "$(names | wc -l)" $((POINTS - 1))
	before=$(names)
	back_up "hours9,latest$((POINTS - 3))" || die "run $POINTS: $(cat /run/said)"
	same "points that are removed" "$(comm -23 <(echo "$before") <(names) | tr '\n' ' ')" "$(sed -n 2,3p <<< "$before" | tr '\n' ' ')"
	# shellcheck disable=SC2046
	proven "$POINTS runs, two removed in the middle" $(names)
}

# One that has ended stays a zombie until the tools' process looks.
not_serving() {
	local name
	for name in nbdfuse qemu-nbd chunkview restic borg; do ! pgrep -r D,R,S -x "$name" >/dev/null || return; done
}
# Files of the newest point, mounted and copied, are those of what was read of its snapshot.
check_files() {
	local name file options=ro,noload
	modprobe fuse
	name=$(newest)
	[ "$FS" = ext4 ] || options=ro,norecovery,nouuid
	mkdir /run/truth /run/point
	mount -o "loop,$options" "$truth/$name" /run/truth
	tool datto-restore mount "$TARGET" latest /run/point >/run/said 2>&1 || die "mount: $(cat /run/said)"
	diff -r /run/truth /run/point || die "the mounted point differs"
	umount /run/point
	until_true 20 "the end of what served it" not_serving
	file=$(find /run/truth -type f -size +100k -not -path '*/.datto-backup-files/*' -printf '/%P\n' -quit)
	[ -n "$file" ] || die "there is no file to restore"
	tool datto-restore file "$TARGET" "$name" "$file" $SCRATCH/restored >/run/said 2>&1 || die "file: $(cat /run/said)"
	cmp "/run/truth$file" $SCRATCH/restored || die "the restored file differs"
	same "owner, mode and times of $file" "$(stat -c '%U %a %Y' $SCRATCH/restored)" "$(stat -c '%U %a %Y' "/run/truth$file")"
	! grep datto-restore /proc/self/mountinfo || die "something stays mounted"
	rm $SCRATCH/restored
	umount /run/truth
	step "files of a point, mounted and copied, are those of its snapshot"
}

# reads FILE: sectors that were read of a device
reads() { awk '{ print $3 }' "$1"; }
# sample_reads: what was read of each snapshot up to its end, in /run/reads
sample_reads() {
	local now last=
	while :; do
		if { read -r now </sys/block/datto0/stat; } 2>/dev/null; then last=$now
		elif [ "$last" ]; then echo "$last" >/run/reads.new && mv /run/reads.new /run/reads && last=
		fi
		nap 0.02
	done
}
# An increment reads what changed, and at most a tenth more. What the hook read is not counted.
check_reads() {
	local new read changed sampler
	change 12
	sample_reads &
	sampler=$!
	back_up latest4 --sample 0 || die "the run whose reads are counted: $(cat /run/said)"
	new=$(newest)
	until_true 10 "the end of the snapshot" test -e /run/reads
	kill $sampler
	wait $sampler 2>/dev/null || true
	read=$(($(reads /run/reads) - $(reads "$truth/$new.stat")))
	changed=$(($(cat "$truth/$new.listed") * UNIT / 512))
	step "an increment read $read sectors of the snapshot; $changed have changed, in units of $UNIT bytes"
	[ $((read * 10)) -ge $((changed * 9)) ] || die "not all reads of the increment were counted"
	[ $((read * 10)) -le $((changed * 11)) ] || die "an increment reads too much: $(cat /run/said)"
}

# killed WHAT: kills the tool, or a program of the engine, somewhere in a run
killed() {
	local victim status=0 options end delay=$((RANDOM % run_ms)) name=${ENGINE[RANDOM % ${#ENGINE[@]}]}
	backup_options latest3 --checkpoint 1
	node "$PROJECT/dist/datto-backup.mjs" "${options[@]}" >/run/said 2>&1 &
	victim=$!
	nap "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	if [ "$1" = tool ]; then kill -9 $victim 2>/dev/null || true
	else
		while kill -0 $victim 2>/dev/null; do
			! pkill -KILL -x -r D,R,S "$name" || break
			nap 0.02
		done
		end=$((SECONDS + 600))
		while kill -0 $victim 2>/dev/null; do
			[ $SECONDS -lt $end ] || die "the run does not end once its engine is killed: $(cat /run/said)"
			nap 0.1
		done
	fi
	wait $victim 2>/dev/null || status=$?
	[ "$1" != tool ] || [ $status = 137 ] || [ $status = 0 ] || die "the tool ended by itself with $status: $(cat /run/said)"
	[ "$1" = tool ] || [ $status = 0 ] || grep -q '^datto-backup: ' /run/said || die "a run ended with $status, and gave no reason: $(cat /run/said)"
	[ "$1" != tool ] || name=datto-backup
	step "$name killed after $delay ms: status $status, $(tail -n 1 /run/said)"
	# What there is, is right, before the next run heals anything.
	proven "after the kill" "$(newest)"
	back_up latest3 --checkpoint 1 || die "the run after a kill: $(cat /run/said)"
	grep . /run/said | tail -n 1
	proven "the run after" "$(newest)"
	forget_truths
}
check_kills() {
	local n began run_ms
	began=$(date +%s%N)
	change 4
	back_up latest3 --checkpoint 1 || die "before the kills: $(cat /run/said)"
	run_ms=$((($(date +%s%N) - began) / 1000000))
	for ((n = 0; n < KILLS; n++)); do
		change 4
		killed tool
		change 4
		killed engine
	done
	# shellcheck disable=SC2046
	proven "after $KILLS kills of the tool and of the engine each" $(names)
}

# flip_qcow2 FOLDER: changes bytes of the newest point
flip_qcow2() {
	local file offset
	file=$1/points/$(newest).qcow2
	offset=$(qemu-img map -U --output=json "$file" | sed -n 's/.*"depth": 0,.*"data": true.*"offset": \([0-9]*\).*/\1/p' | tail -n 1)
	dd if=/dev/urandom of="$file" bs=1 count=4 seek=$((offset + 1000)) conv=notrunc status=none
}
# flip_largest FOLDER: changes bytes of the largest file in it
flip_largest() {
	local file size
	file=$(find "$1" -type f -printf '%s %p\n' | sort -n | tail -n 1)
	size=${file%% *} file=${file#* }
	chmod u+w "$file"
	dd if=/dev/urandom of="$file" bs=1 count=4 seek=$((size / 2)) conv=notrunc status=none
}
check_flip() {
	local status=0
	tool datto-verify points "$TARGET" >/run/said 2>&1 || die "verify: $(cat /run/said)"
	flip_stored
	tool datto-verify points "$TARGET" >/run/said 2>&1 || status=$?
	same "verify after a bit was changed: status ($(tail -n 3 /run/said))" $status 3
	step "a changed bit is found: $(grep -m 1 -v ' 0 blocks' /run/said)"
}

check_target() {
	step "seed $SEED"
	start_load 3 "$(rounds 6 16)"
	check_points
	stop_load
	check_files
	check_reads
	check_kills
	check_flip
	dbdctl destroy 0
}
