# The root filesystem is the origin. The power goes again and again, at any moment, under load: in incremental mode, in snapshot mode
# before its image is updated, soon after snapshot mode was left, and while a snapshot is taken. After each boot tracking has gone on by
# itself, also with a script that names the COW file of before, and one update makes the image equal to the snapshot in every byte.
# Nothing is copied as a whole.
. "$PROJECT/tests/vm/guest/lib.sh"
CRASHES=$(rounds 4 20)
KINDS=(snapshot incremental left inside)
SEED=${CRASH_SEED:-$RANDOM}
image=$SCRATCH/image

# reload_at_boot MODE COW_FILE
reload_at_boot() {
	echo "dbdctl reload-$1 $ORIGIN /$2 0" >$MOUNT/etc/datto/dla/reload_root
	echo "$2" >/out/tracked
	fsfreeze --freeze $MOUNT
	fsfreeze --unfreeze $MOUNT
}
one_of() { printf '%s\n' "${@:$((1 + RANDOM % $#)):1}"; }
some_time() { nap $((RANDOM % $1)).$((RANDOM % 10)); }
is_closed() { (($(od -An -tu1 -j4 -N1 "$1") & 1)); } # the flag in the header
seqid() { od -An -tu8 -j24 -N8 "$1" | tr -d ' '; }
is_live() { dmesg | matches "datto: minor 0: a live checkpoint is written"; }

# crash COW_FILE: the power goes some time after a checkpoint is there
crash() {
	local kind=${KINDS[$(((BOOT - 1) % ${#KINDS[@]}))]}
	[ "$BOOT" -le ${#KINDS[@]} ] || kind=${KINDS[$((RANDOM % ${#KINDS[@]}))]}
	umount $SCRATCH
	: >/out/closed
	dmesg -C
	[ "$kind" = left ] || reload_at_boot incremental "$1"
	if [ "$kind" = snapshot ] || [ "$kind" = left ]; then
		dbdctl transition-to-snapshot -f 60 "$MOUNT/$1.next" 0
		echo "$1" >/out/closed
	fi
	case $kind in
	left) reload_at_boot snapshot "$1.next" ;;
	snapshot) echo "$1.next" >/out/tracked ;; # the script is older
	esac
	until_true 20 "a live checkpoint" is_live
	start_load 60
	some_time 12
	if [ "$kind" = inside ]; then
		dmesg -C
		say "the machine is reset, $kind"
		echo reboot >/out/next
		dbdctl transition-to-snapshot -f 60 "$MOUNT/$1.next" 0 &
		sed -nu "/$(one_of "a live checkpoint is written" "filesystem was frozen" "filesystem was frozen" "snapshot [0-9]")/q" < <(dmesg -w)
		nap "$(one_of 0.00 0.00 0.01 0.03)"
		echo b >/proc/sysrq-trigger # at once: what is looked for lasts some milliseconds
	fi
	if [ "$kind" = left ]; then
		dbdctl transition-to-incremental 0
		some_time 3
	fi
	load_alive || die "the load ended early"
	say "the power is cut, $kind"
	cut_power
}

if [ "$BOOT" = 1 ]; then
	echo "$SEED" >/out/seed
	make_scratch
	load_module debug=1
	noise $MOUNT/file 40
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.1 0
	copy_device /dev/datto0 $image
	dbdctl transition-to-incremental 0
	step "boot 1: the image is $(($(stat -c %s $image) >> 20)) MiB large; seed $SEED"
	RANDOM=$SEED
	crash cow.1
fi
RANDOM=$(($(cat /out/seed) + BOOT))
same "boot $BOOT: error" "$(field 0 error)" ""
tracked=$(cat /out/tracked)
if [ "$(field 0 cow_file)" != "/$tracked" ]; then
	# The power went while the next snapshot was taken: the list of before was closed, or all of it is in the next file.
	same "boot $BOOT: COW file" "$(field 0 cow_file)" "/$tracked.next"
	echo "$tracked.next" >/out/tracked
	is_closed "$MOUNT/$tracked" && echo "$tracked" >/out/closed
fi
lists=$(cat /out/closed /out/tracked | sed "s|^|$MOUNT/|")
same "boot $BOOT: state" "$(field 0 state)" 2
said=$(dmesg | grep 'datto: minor 0: goes on tracking.*after a crash' | sed 's/^.*after a crash[:,] //') || die "boot $BOOT: nothing is said of a crash"
echo 1 >/sys/module/dattobd/parameters/debug
mkdir -p $SCRATCH
mount /dev/vdb $SCRATCH
rm -rf $MOUNT/load
cp --reflink=always $image $SCRATCH/before
dbdctl transition-to-snapshot -f 60 $MOUNT/cow."$BOOT" 0
# shellcheck disable=SC2086
set -- $lists
[ $# = 1 ] || same "boot $BOOT: number of the second list" "$(seqid "$2")" $(($(seqid "$1") + 1))
for list in $lists; do update_img /dev/datto0 "$list" $image >/run/updated; done
equal $image /dev/datto0 || die "after crash $((BOOT - 1)): the updated image differs from the snapshot"
# shellcheck disable=SC2086 # one list or two
covered=$(images covers $SCRATCH/before $image $lists) || die "a write was missed: $covered"
step "boot $BOOT: $said; $covered"
check_filesystem $image
# shellcheck disable=SC2086
rm $lists $SCRATCH/before
dbdctl transition-to-incremental 0
if [ "$BOOT" -gt "$CRASHES" ]; then
	umount $SCRATCH
	dbdctl destroy 0
	unload_module
	exit 0
fi
crash cow."$BOOT"
