# The root filesystem is the origin. The power goes again and again, at any moment, under load, in incremental mode: after each boot
# tracking has gone on by itself, and one update makes the image equal to the snapshot in every byte. Nothing is copied as a whole.
. "$PROJECT/tests/vm/guest/lib.sh"
CRASHES=$(rounds 3 20)
SEED=${CRASH_SEED:-$RANDOM}
image=$SCRATCH/image

reload_at_boot() {
	echo "dbdctl reload-incremental $ORIGIN /$1 0" >$MOUNT/etc/datto/dla/reload_root
	fsfreeze --freeze $MOUNT
	fsfreeze --unfreeze $MOUNT
}

# The power goes some time after a checkpoint is there.
crash() {
	until_true 20 "a live checkpoint" is_live
	umount $SCRATCH
	start_load 60
	nap $((RANDOM % 12)).$((RANDOM % 10))
	load_alive || die "the load ended early"
	cut_power
}
is_live() { dmesg | matches "datto: minor 0: a live checkpoint is written"; }

if [ "$BOOT" = 1 ]; then
	echo "$SEED" >/out/seed
	make_scratch
	load_module debug=1
	noise $MOUNT/file 40
	dbdctl setup-snapshot -f 60 $ORIGIN $MOUNT/cow.1 0
	copy_device /dev/datto0 $image
	dbdctl transition-to-incremental 0
	reload_at_boot cow.1
	step "boot 1: the image is $(($(stat -c %s $image) >> 20)) MiB large; seed $SEED"
	RANDOM=$SEED
	crash
fi
RANDOM=$(($(cat /out/seed) + BOOT))
same "boot $BOOT: error" "$(field 0 error)" ""
same "boot $BOOT: state" "$(field 0 state)" 2
said=$(dmesg | grep 'datto: minor 0: goes on tracking.*after a crash' | sed 's/^.*after a crash: //') || die "boot $BOOT: nothing is said of a crash"
echo 1 >/sys/module/dattobd/parameters/debug
mkdir -p $SCRATCH
mount /dev/vdb $SCRATCH
rm -rf $MOUNT/load
cp --reflink=always $image $SCRATCH/before
dbdctl transition-to-snapshot -f 60 $MOUNT/cow."$BOOT" 0
update_img /dev/datto0 $MOUNT/cow.$((BOOT - 1)) $image >/run/updated
equal $image /dev/datto0 || die "after crash $((BOOT - 1)): the updated image differs from the snapshot"
covered=$(images covers $SCRATCH/before $image $MOUNT/cow.$((BOOT - 1))) || die "a write was missed: $covered"
step "boot $BOOT: $said; $covered"
check_filesystem $image
rm $MOUNT/cow.$((BOOT - 1)) $SCRATCH/before
dbdctl transition-to-incremental 0
if [ "$BOOT" -gt "$CRASHES" ]; then
	umount $SCRATCH
	dbdctl destroy 0
	unload_module
	exit 0
fi
dmesg -C
reload_at_boot cow."$BOOT"
crash
