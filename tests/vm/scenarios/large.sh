# A volume of 40 TiB, sparse: its blocks' numbers take more than 32 bits, its index 80 GiB, and memory goes by what is used.
. "$PROJECT/tests/vm/guest/lib.sh"
SEED=${LARGE_SEED:-$RANDOM}
step "seed $SEED"
make_scratch
truncate -s 40T $SCRATCH/volume
ORIGIN=$(losetup --find --show --direct-io=on $SCRATCH/volume)
mkfs.xfs -q -K -l size=64m -m reflink=0,rmapbt=0,finobt=0 "$ORIGIN"	# nothing is kept free for trees
mkdir -p $MOUNT
mount "$ORIGIN" $MOUNT
# What is left is room for two COW files: each goes where the last but one was, whose blocks are zeros in the image already. Else the first
# update would have to read the 80 GiB of the next file's index.
COW_MIB=82700
fallocate -l $(($(df -B1M --output=avail $MOUNT | tail -1) - 2 * COW_MIB - 512))M $MOUNT/file
load_module

scatter() { "$PROGRAMS/scatter" "$@"; }
# KiB of memory that the module has mapped, and that the machine has left
taken() { awk '/dattobd/ { sum += $2 } END { print int(sum / 1024) }' /proc/vmallocinfo; }
available() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo; }
report() { step "$1: the module has $(taken) KiB, the machine $(available) KiB left, $(field 0 nr_changed_blocks) blocks changed"; }
below() { [ "$2" -lt "$3" ] || die "$1: $2 KiB are taken, expected less than $3"; }

step "before: the machine has $(available) KiB left"
refused "No space left" dbdctl setup-snapshot -f 81920 "$ORIGIN" $MOUNT/cow0 0
dmesg | matches "a COW file of 81920 MiB is too small, this volume takes at least 81921" || die "no word of how small it may be"
refused "this size takes 81921 MiB at least" dbdctl_tool setup-snapshot -f 81920 "$ORIGIN" $MOUNT/cow0 0

dbdctl setup-snapshot -f $COW_MIB "$ORIGIN" $MOUNT/cow0 0
report "an idle snapshot"
below "an idle snapshot" "$(taken)" 24000
same "the snapshot's size" "$(blockdev --getsize64 /dev/datto0)" $((40 * 1024 ** 4))

# The first backup: what was never written to reads as zeros.
dbdctl transition-to-incremental 0
dbdctl transition-to-snapshot -f $COW_MIB $MOUNT/cow1 0
report "the next snapshot"
rm $MOUNT/cow0
truncate -s 40T $SCRATCH/image
scatter fill $SCRATCH/volume /dev/datto0 $SCRATCH/image
scatter write $MOUNT/file 500 "$SEED"
scatter map $MOUNT/file 500 "$SEED" >/run/places
same "places in a snapshot after writes to them" "$(scatter equal /dev/datto0 $SCRATCH/image </run/places)" 500
report "500 blocks copied"
dbdctl transition-to-incremental 0
report "incremental"

scatter write $MOUNT/file 10000 $((SEED + 1))
sync -f $MOUNT
report "10,000 writes at random places"
dbdctl transition-to-snapshot -f $COW_MIB $MOUNT/cow2 0
report "the next snapshot"
scatter map $MOUNT/file 10000 $((SEED + 1)) >>/run/places
if scatter equal /dev/datto0 $SCRATCH/image </run/places >/run/equal; then die "the image is up to date before its update"; fi
update_img_tool /dev/datto0 $MOUNT/cow1 $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
step "$(tail -1 /run/update.log)"
same "places in the image" "$(scatter equal /dev/datto0 $SCRATCH/image </run/places)" 10500

# All else that was ever written to: the filesystem's own blocks.
mkdir -p /mnt/image
mount -o loop,ro,norecovery,nouuid $SCRATCH/image /mnt/image
scatter check /mnt/image/file 10000 $((SEED + 1))
umount /mnt/image
step "the image has what was written, by its filesystem too"

# Tracking goes on across an unmount and a reload.
dbdctl transition-to-incremental 0
rm $MOUNT/cow1
umount $MOUNT
unload_module
load_module
dbdctl reload-incremental "$ORIGIN" /cow2 0
mount "$ORIGIN" $MOUNT
mounted() { [ "$(field 0 state)" = 2 ]; }
until_true 20 "the state after the mount" mounted
report "reloaded"
scatter write $MOUNT/file 200 $((SEED + 2))
dbdctl transition-to-snapshot -f $COW_MIB $MOUNT/cow3 0
scatter map $MOUNT/file 200 $((SEED + 2)) >>/run/places
update_img_tool /dev/datto0 $MOUNT/cow2 $SCRATCH/image >/run/update.log 2>&1 || die "$(cat /run/update.log)"
same "places in the image after a reload" "$(scatter equal /dev/datto0 $SCRATCH/image </run/places)" 10700
report "the end"
dbdctl destroy 0
umount $MOUNT
unload_module
