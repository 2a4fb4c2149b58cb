# shellcheck shell=dash
# The interface, and random transitions under load, by static programs alone: for kernels that cannot reach their host's files.
set -eu
ORIGIN=/dev/vda
MOUNT=/mnt/origin
SCRATCH=/mnt/scratch
step() { echo "[$(cut -d. -f1 /proc/uptime) s] $*"; }
die() { echo "FAILED: $*"; exit 1; }

mount -t ext4 /dev/vdb $SCRATCH
mount -t "$FS" $ORIGIN $MOUNT
insmod "$DATTOBD_KO"
[ -b /dev/loop7 ] || mknod -m 600 /dev/loop7 b 7 7
truncate -s 16M /run/loop7
losetup /dev/loop7 /run/loop7
echo content >/run/other
ioctls $ORIGIN $MOUNT /run/other || die "the control node answered wrong"
losetup -d /dev/loop7
umount $MOUNT
rmmod dattobd
step "the control node answers as it should"

SEED=${TRANSITIONS_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
SECONDS_LONG=${TRANSITIONS_SECONDS:-$([ "$LONG" ] && echo 60 || echo 10)}
step "transitions for $SECONDS_LONG s, seed $SEED"
transitions $ORIGIN "$FS" $MOUNT $SCRATCH/image "$DATTOBD_KO" "$SECONDS_LONG" "$SEED" /bin/load ||
	die "seed $SEED: the transitions went wrong, status $?"
if lsmod | grep '^dattobd '; then die "the module stayed loaded"; fi
step "transitions are as the model has them"
