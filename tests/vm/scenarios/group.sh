# Snapshots of several volumes at one instant: what is written to them in order is never in a later one without being in an earlier one,
# and there are snapshots of all of them or of none. GROUP_SEED repeats the moments of kills.
. "$PROJECT/tests/vm/guest/lib.sh"
SEED=${GROUP_SEED:-$((RANDOM * 32768 + RANDOM))}
say "seed $SEED"
RANDOM=$SEED
pairs() { "$PROGRAMS/pairs" "$@"; }
DEVICES=(/dev/vda1 /dev/vdb1 /dev/vda2 /dev/vdb2)
volume() { echo "/mnt/volume$1"; }
other_type() { if [ "$FS" = ext4 ]; then echo xfs; else echo ext4; fi; }
for disk in /dev/vda /dev/vdb; do printf ',330M\n,330M\n' | sfdisk -q $disk; done
settle
for n in 0 1 2 3; do
	if [ "$([ $((n % 2)) = 0 ] && echo "$FS" || other_type)" = ext4 ]; then make_ext4 "${DEVICES[n]}"; else mkfs.xfs -q "${DEVICES[n]}"; fi
	mkdir -p "$(volume $n)"
	mount "${DEVICES[n]}" "$(volume $n)"
done
sync
load_module debug=1

# members COUNT NAME [setup]: the words for a group of the first volumes, in turn from the first or from the last
members() {
	local n
	for ((n = 0; n < $1; n++)); do
		[ -z "${3:-}" ] || echo "${DEVICES[n]}"
		echo "$(volume $n)/$2" $n
	done
}
# shellcheck disable=SC2046
setup_group() { dbdctl setup-snapshot-group -f 40 $(members "$1" "$2" setup); }
# shellcheck disable=SC2046
next_group() { dbdctl transition-to-snapshot-group $(members "$1" "$2"); }
incremental() { for ((n = 0; n < $1; n++)); do dbdctl transition-to-incremental $n; done; }
destroy() { for ((n = 0; n < $1; n++)); do dbdctl destroy $n; done; }
each_is() { # COUNT WHAT KEY VALUE
	local n
	for ((n = 0; n < $1; n++)); do same "$2: $3 of minor $n" "$(field $n "$3")" "$4"; done
}
nothing_left() { # WHAT
	local n
	for n in 0 1 2 3; do
		same "$1: state of minor $n" "$(field $n state)" ""
		[ ! -e "$(volume $n)/cow" ] || die "$1: there is a COW file on volume $n"
	done
}

# Three writers: through the filesystems in order, and against it, and past them.
start_writers() { # COUNT
	local n up=() down=() raw=()
	for ((n = 0; n < $1; n++)); do
		rm -f "$(volume $n)"/{up,down,raw}
		pairs make "$(volume $n)"/{up,down,raw}
		up+=("$(volume $n)/up")
		down=("$(volume $n)/down" "${down[@]}")
		raw+=("${DEVICES[n]}:$(volume $n)/raw")
	done
	writers=()
	for target in up down raw; do
		local -n list=$target
		"$PROGRAMS/pairs" write "${list[@]}" &
		writers+=($!)
	done
}
stop_writers() {
	kill -0 "${writers[@]}" || die "a writer ended early"
	kill "${writers[@]}"
	wait "${writers[@]}" 2>/dev/null || true
}
ordered() { # COUNT WHAT
	local n up=() down=() raw=() numbers=() target
	for ((n = 0; n < $1; n++)); do
		up+=("/dev/datto$n:$(volume $n)/up")
		down=("/dev/datto$n:$(volume $n)/down" "${down[@]}")
		raw+=("/dev/datto$n:$(volume $n)/raw")
	done
	for target in up down raw; do
		local -n list=$target
		numbers+=("$target $(pairs check "${list[@]}")") || die "$2: $target is out of order: $(pairs check "${list[@]}")"
	done
	checked=${numbers[*]}
}

"$PROGRAMS/groups" "${DEVICES[0]}" "$(volume 0)" "${DEVICES[1]}" "$(volume 1)" || die "requests about a group answered wrong"
nothing_left "wrong arguments"

# A set-up of all or of none, whoever is refused.
mount -o remount,ro "$(volume 3)"
refused "Invalid argument" setup_group 4 cow
nothing_left "a member that is mounted read-only"
mount -o remount,rw "$(volume 3)"
mkdir "$(volume 2)/cow"
refused "Is a directory" setup_group 4 cow
rmdir "$(volume 2)/cow"
nothing_left "a COW file that cannot be"
# shellcheck disable=SC2046
refused "No space left on device" dbdctl setup-snapshot-group -f 90000 $(members 4 cow setup)
nothing_left "no space"
fsfreeze -f "$(volume 1)"
refused "Device or resource busy" setup_group 4 cow
fsfreeze -u "$(volume 1)"
nothing_left "a frozen member"
step "no set-up was left by halves"

for count in 2 4; do
	start_writers $count
	setup_group $count cow
	each_is $count "set-up" state 3
	ordered $count "set-up of $count"
	for round in $(seq "$(rounds 2 25)"); do
		incremental $count
		nap 0.$((RANDOM % 10))
		next_group $count "cow.$round"
		each_is $count "round $round" seq_id $((round + 1))
		each_is $count "round $round" error ""
		ordered $count "round $round of $count"
		for ((n = 0; n < count; n++)); do rm -f "$(volume $n)"/cow "$(volume $n)/cow.$((round - 1))"; done
	done
	step "$round snapshots of $count volumes are in order: $checked"
	stop_writers
	destroy $count
done

# The next snapshots: of all or of none, and the others go on.
setup_group 4 cow
mkdir -p $SCRATCH
mkfs.xfs -q /dev/vdc
mount /dev/vdc $SCRATCH
for n in 0 1; do copy_device /dev/datto$n $SCRATCH/image.$n; done
incremental 4
start_writers 4
as_before() { # WHAT
	each_is 4 "$1" state 2
	each_is 4 "$1" seq_id 1
	each_is 4 "$1" cow_file /cow
	each_is 4 "$1" error ""
	for n in 0 1 2 3; do [ ! -e "$(volume $n)/next" ] || die "$1: there is a COW file on volume $n"; done
}
mkdir "$(volume 3)/next"
refused "Is a directory" next_group 4 next
rmdir "$(volume 3)/next"
as_before "a COW file that cannot be"
fsfreeze -f "$(volume 2)"
refused "Device or resource busy" next_group 4 next
fsfreeze -u "$(volume 2)"
as_before "a frozen member"
# shellcheck disable=SC2046
refused "No space left on device" dbdctl transition-to-snapshot-group -f 90000 $(members 4 next)
as_before "no space"
dbdctl transition-to-snapshot "$(volume 3)/single" 3
rm "$(volume 3)/cow"
exec {held}</dev/datto3
refused "Device or resource busy" next_group 4 next
exec {held}<&-
refused "Invalid argument" next_group 4 next
for n in 0 1 2; do
	same "beside a snapshot: state of minor $n" "$(field $n state)" 2
	[ ! -e "$(volume $n)/next" ] || die "beside a snapshot: there is a COW file on volume $n"
done
same "the snapshot itself" "$(field 3 state) $(field 3 error)" "3 "
dbdctl transition-to-incremental 3
next_group 4 next
stop_writers
ordered 4 "after refusals"
for n in 0 1; do
	update_img /dev/datto$n "$(volume $n)/cow" $SCRATCH/image.$n >/dev/null
	equal /dev/datto$n $SCRATCH/image.$n || die "after refusals: the updated image of volume $n differs from the snapshot"
done
umount $SCRATCH
destroy 4
step "no transition was left by halves"

# The caller is killed: all are as before, or all are snapshots.
busy_thread() { grep -lqs '^datto_req' /proc/[0-9]*/comm; }
no_thread() { ! busy_thread; }
rm -f /mnt/volume*/{cow,next,single}*
setup_group 3 killed.0
start_writers 3
declare -A outcome=([2]=0 [3]=0)
number=0
for round in $(seq "$(rounds 5 40)"); do
	[ "$(field 0 state)" = 2 ] || incremental 3
	before=$(field 0 seq_id)
	# shellcheck disable=SC2046
	"$PROGRAMS/dbdctl" transition-to-snapshot-group $(members 3 "killed.$((number + 1))") 2>/dev/null &
	nap $((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))
	kill -KILL $! 2>/dev/null || true
	wait $! 2>/dev/null || true
	until_true 60 "the end of a request that was killed" no_thread
	settle
	state=$(field 0 state)
	each_is 3 "killed in round $round" state "$state"
	each_is 3 "killed in round $round" error ""
	each_is 3 "killed in round $round" seq_id $((before + (state == 3)))
	outcome[$state]=$((outcome[$state] + 1))
	if [ "$state" = 3 ]; then
		ordered 3 "killed in round $round"
		rm -f /mnt/volume*/killed.$number
		number=$((number + 1))
	else
		for n in 0 1 2; do [ ! -e "$(volume $n)/killed.$((number + 1))" ] || die "killed in round $round: a COW file is left"; done
	fi
done
stop_writers
destroy 3
step "killed: ${outcome[2]} times undone, ${outcome[3]} times completed"
rm -f /mnt/volume*/killed.*

# A volume in a file on another member: its freeze waits for that one, and ends.
truncate -s 64M "$(volume 0)/disk"
nested=$(losetup --find --show "$(volume 0)/disk")
make_ext4 "$nested"
mkdir -p /mnt/nested
mount "$nested" /mnt/nested
rm -f "$(volume 0)/up"
pairs make "$(volume 0)/up" /mnt/nested/up
"$PROGRAMS/pairs" write "$(volume 0)/up" /mnt/nested/up &
writer=$!
dirty() { while :; do dd if=/dev/urandom of=/mnt/nested/dirty bs=64k count=16 conv=notrunc status=none; nap 0.05; done; }
dirty &
dirtier=$!
dmesg -C
refused "Device or resource busy" timeout 120 "$PROGRAMS/dbdctl" setup-snapshot-group -f 8 "${DEVICES[0]}" "$(volume 0)/cow" 0 "$nested" /mnt/nested/cow 1
dmesg | matches "minor 1: the group's snapshot is given up" || die "the log does not say why"
nothing_left "a volume on another member"
touch "$(volume 0)/thawed" /mnt/nested/thawed
kill -0 $writer || die "the writer ended early"
# The other way round the freezes do not wait for each other.
timeout 120 "$PROGRAMS/dbdctl" setup-snapshot-group -f 8 "$nested" /mnt/nested/cow 0 "${DEVICES[0]}" "$(volume 0)/cow" 1 && given_up= || given_up=1
settle
touch "$(volume 0)/thawed" /mnt/nested/thawed
if [ "$given_up" ]; then nothing_left "on another member, the other way round"; else destroy 2; fi
# Groups that are incremental, in both orders: whatever becomes of it, it ends, and leaves none by halves.
for first in 0 1; do
	dbdctl setup-snapshot -f 40 "${DEVICES[0]}" "$(volume 0)/cow" $first
	dbdctl setup-snapshot -f 8 "$nested" /mnt/nested/cow $((1 - first))
	incremental 2
	timeout 120 "$PROGRAMS/dbdctl" transition-to-snapshot-group "$(volume 0)/cow.1" $first /mnt/nested/cow.1 $((1 - first)) || true
	settle
	same "on another member, incremental" "$(field 1 state) $(field 1 error)" "$(field 0 state) $(field 0 error)"
	touch "$(volume 0)/thawed" /mnt/nested/thawed
	dbdctl destroy $((1 - first))
	dbdctl destroy $first
	rm -f "$(volume 0)/cow" /mnt/nested/cow
done
kill $writer $dirtier
wait $writer $dirtier 2>/dev/null || true
# A dd that was running then goes on to its end.
until_true 20 "the end of dd" umount -q /mnt/nested
losetup -d "$nested"
step "a volume on another member makes nobody wait for ever"

for n in 0 1 2 3; do umount "$(volume $n)"; done
unload_module
