# Restore points in a folder, as qcow2 files, under load and with kills.
. "$PROJECT/tests/vm/guest/targets.sh"
TARGET=$SCRATCH/backup
ENGINE=(qemu-nbd qemu-img)
flip_stored() { flip_qcow2 $TARGET; }
prepare
mkdir $TARGET
check_target

status=0
tool datto-backup $ORIGIN $TARGET >/run/said 2>&1 || status=$?
same "one image beside points: status ($(cat /run/said))" $status 22
