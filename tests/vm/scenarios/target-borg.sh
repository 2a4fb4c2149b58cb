# Restore points in a repository of borg, under load and with kills.
. "$PROJECT/tests/vm/guest/targets.sh"
REPOSITORY=$SCRATCH/repository
TARGET=borg:$REPOSITORY
ENGINE=(borg chunkview)
UNIT=262144
export BORG_PASSPHRASE='a word'
flip_stored() { flip_largest $REPOSITORY/data; }
prepare
modprobe fuse
borg init --encryption repokey $REPOSITORY
check_target
