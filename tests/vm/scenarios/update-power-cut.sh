# The power of the image's disk fails while update-img works. dm-log-writes notes all that is written to the disk, and what was
# flushed when; by that note the disk is made what it may be after the power failed at a random moment: what was not flushed is
# there, lost or torn. UPDATE_POWER_CUT_SEED is what to repeat; the notes differ a little from run to run.
. "$PROJECT/tests/vm/guest/lib.sh"
UPDATES=$(rounds 5 20)	# power cuts
ROLLBACKS=$(rounds 2 6)
IMAGES=/mnt/images
IMAGE=$IMAGES/image
SEED=${UPDATE_POWER_CUT_SEED:-$((RANDOM * 32768 + RANDOM))}
say "seed $SEED"
RANDOM=$SEED
modprobe dm-log-writes
make_scratch
FS=ext4 make_origin
load_module

# Snapshot 1, its image on a disk of its own, and snapshot 2 with the list of what changed.
head -c 3M /dev/urandom >$MOUNT/file
sync -f $MOUNT
dbdctl setup-snapshot -f 4 $ORIGIN $MOUNT/cow0 0
truncate -s 320M $SCRATCH/disk
disk=$(losetup --find --show $SCRATCH/disk)
# A commit block of ext4's journal may be torn, too. With a checksum over it (metadata_csum) the kernel then refuses to mount the
# filesystem; without, it replays the transactions that are whole.
if [ "$FS" = ext4 ]; then mkfs.ext4 -q -b 4096 -O ^metadata_csum "$disk"; else mkfs.xfs -q -m reflink=1 "$disk"; fi
mkdir -p $IMAGES
mount "$disk" $IMAGES
copy_device /dev/datto0 $IMAGE
copy_device /dev/datto0 $SCRATCH/snapshot1
dbdctl transition-to-incremental 0
for _ in $(seq 24); do
	dd if=/dev/urandom of=$MOUNT/file bs=64k count=1 seek=$((RANDOM % 48)) conv=notrunc status=none
done
sync -f $MOUNT
dbdctl transition-to-snapshot -f 4 $MOUNT/cow1 0
copy_device /dev/datto0 $SCRATCH/snapshot2
cp $MOUNT/cow0 /run/cow0
step "snapshots 1 and 2, $("$PROGRAMS/images" listed /run/cow0 "$(blockdev --getsize64 $ORIGIN)") blocks to update"

datto_verify() { tool datto-verify "$@"; }
update() { update_img_tool "$@" /dev/datto0 /run/cow0 $IMAGE; }
rollback() { update_img_tool --rollback $IMAGE; }
# A field of the state file.
known() { sed -n "s/^  \"$1\": \"\([^\"]*\)\".*/\1/p" $IMAGE.datto-state; }
# is N WHEN: the image is snapshot N, and is said to be
is() {
	same "$2: the state" "$(known state) $(known sequence)" "CLEAN $1"
	equal $IMAGE "$SCRATCH/snapshot$1" || die "$2: it is not snapshot $1, as it is said to be"
}
# whole N WHEN: its manifest also is what it would be if nothing had happened, which scrub has seen
whole() {
	is "$1" "$2"
	cmp $IMAGE.datto-manifest "/run/manifest$1" || die "$2: that is not the manifest of snapshot $1"
}

# Undisturbed, there and back: what each shall be.
datto_verify manifest $IMAGE >/dev/null
for n in 2 1; do
	if [ $n = 2 ]; then update --keep-previous; else rollback; fi >/dev/null
	is $n "undisturbed"
	datto_verify scrub $IMAGE >/run/scrub.log || die "$(cat /run/scrub.log)"
	cp $IMAGE.datto-manifest /run/manifest$n
done
umount $IMAGES
step "undisturbed"

# note NAME COMMAND...: what the disk was before is in NAME, what was written by each command is in NAME.log, between marks 0, 1, ...
note() {
	local name=$SCRATCH/$1 log nr=0
	shift
	cp --reflink=always $SCRATCH/disk "$name"
	truncate -s 1G "$name.log"
	log=$(losetup --find --show "$name.log")
	dmsetup create noted --table "0 $(blockdev --getsz "$disk") log-writes $disk $log"
	mount /dev/mapper/noted $IMAGES
	sync -f $IMAGES
	dmsetup message noted 0 mark 0
	for command; do
		$command >/dev/null
		dmsetup message noted 0 mark $((++nr))
	done
	umount $IMAGES
	settle
	dmsetup remove noted
	losetup -d "$log"
}
# The second flushes only when it is complete.
note keeping "update --checkpoint 1 --direct --keep-previous" rollback
note plain update
step "noted"

declare -A seen=()
# lose_power NAME FROM TO STATE...: between two marks; the state is one of these, and true. Bring the image to its end, back if $back is 1.
lose_power() {
	local name=$SCRATCH/$1 from=$2 to=$3 moment when disk state end=2
	shift 3
	cp --reflink=always "$name" $SCRATCH/cut
	moment=$("$PROGRAMS/powercut" "$name.log" $SCRATCH/cut "$from" "$to" "$RANDOM")
	when="$(basename "$name") $from-$to, $moment"
	disk=$(losetup --find --show $SCRATCH/cut)
	mount "$disk" $IMAGES
	state="$(known state) $(known sequence)"
	case "|$(printf '%s|' "$@")" in
	*"|$state|"*) ;;
	*) die "$when: the state is $state, not one of: $*" ;;
	esac
	[ "${state% *}" != CLEAN ] || is "${state#* }" "$when"
	if [ "$state" = "ROLLING_BACK 2" ] || { [ $back = 1 ] && grep -q '"previous"' $IMAGE.datto-state; }; then
		rollback >/run/end.log 2>&1 || die "$when: $state, rolling back: $(cat /run/end.log)"
		end=1
	else
		update >/run/end.log 2>&1 || die "$when: $state, updating: $(cat /run/end.log)"
	fi
	whole $end "$when: $state, brought to $end"
	umount $IMAGES
	check_device "$disk"
	losetup -d "$disk"
	step "$when: $state, brought to $end"
	seen[$state]=$((${seen[$state]:-0} + 1))
	seen[to $end]=$((${seen[to $end]:-0} + 1))
}
# More of them, where chance brings too few of a kind.
UPDATING=$(rounds 1 3)
BACK=$(rounds 2 3)
for ((i = 0; i < UPDATES || (i < 8 * UPDATES && ${seen[UPDATING 1]:-0} < UPDATING); i++)); do
	back=$((i % 2))
	if [ $((i % 5)) -ge 3 ]; then name=plain; else name=keeping; fi
	lose_power $name 0 1 "CLEAN 1" "UPDATING 1" "CLEAN 2"
done
step "$i power cuts of an update"
for ((i = 0; i < ROLLBACKS || (i < 8 * ROLLBACKS && ${seen[to 1]:-0} < BACK); i++)); do
	back=$((i % 2))
	lose_power keeping 1 2 "CLEAN 2" "ROLLING_BACK 2" "CLEAN 1"
done
step "$i power cuts of a rollback"
# What is said to be complete is on the disk, and stays.
back=0
lose_power plain 1 1 "CLEAN 2"
lose_power keeping 2 2 "CLEAN 1"
for what in "${!seen[@]}"; do say "$what: ${seen[$what]}"; done
[ "${seen[UPDATING 1]:-0}" -ge "$UPDATING" ] || die "the power hardly failed within an update"
[ "${seen[to 1]:-0}" -ge "$BACK" ] && [ "${seen[to 2]:-0}" -ge "$BACK" ] || die "little was rolled back or resumed"
step "each image was the old or the new snapshot, or said that it is neither, and became one"

losetup -d "$disk"
umount $SCRATCH
dbdctl destroy 0
umount $MOUNT
unload_module
