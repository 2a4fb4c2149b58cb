# Restore points in a Ceph cluster of this machine, as snapshots of an RBD image, under load and with kills.
. "$PROJECT/tests/vm/guest/targets.sh"
TARGET=rbd:rbd/data
ENGINE=(qemu-nbd rbd)
start_cluster() {
	mkfifo /run/cluster.in /run/cluster.out
	bash "$PROJECT/tests/ceph/cluster.sh" /run/ceph </run/cluster.in >/run/cluster.out &
	exec 6>/run/cluster.in	# the cluster ends with whoever has it open
	read -rt 600 ready </run/cluster.out || die "the cluster does not start"
	same "the cluster" "$ready" ready
	export CEPH_CONF=/run/ceph/ceph.conf
	step "the cluster is ready"
}
# Past the client: an object of the image, as the cluster stores it.
flip_stored() {
	local object prefix
	prefix=$(rbd info --format json data | sed -n 's/.*"block_name_prefix":"\([^"]*\)".*/\1/p')
	object=$(rados -p rbd ls | grep -m 1 "^$prefix\.")
	rados -p rbd get "$object" /run/object
	dd if=/dev/urandom of=/run/object bs=1 count=4 seek=1000 conv=notrunc status=none
	rados -p rbd put "$object" /run/object
}
prepare
start_cluster
check_target
