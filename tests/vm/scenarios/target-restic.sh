# Restore points in a repository of restic, under load and with kills.
. "$PROJECT/tests/vm/guest/targets.sh"
REPOSITORY=$SCRATCH/repository
TARGET=restic:$REPOSITORY
ENGINE=(restic chunkview)
UNIT=262144
export RESTIC_PASSWORD='a word'
flip_stored() { flip_largest $REPOSITORY/data; }
prepare
modprobe fuse
restic init --quiet --repo $REPOSITORY
check_target
