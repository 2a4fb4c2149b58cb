#!/bin/bash
# A Ceph cluster of one node in a folder: a monitor, and an OSD that keeps its objects in memory; with cephx. Images and
# their snapshots need no manager.
#
#   cluster.sh FOLDER [S3-KEY S3-SECRET]    prints "ready" once clients can use the pool "rbd"; stops at the end of standard input
#
# Clients need CEPH_CONF=FOLDER/ceph.conf. With a key there is also an S3 gateway, whose address is in FOLDER/s3. Daemons die with this script, however it ends; if it is not killed, FOLDER goes too.
set -euo pipefail
folder=$1 s3_key=${2:-} s3_secret=${3:-}
mkdir -p "$folder"
chmod 0700 "$folder"
export CEPH_CONF=$folder/ceph.conf
exec 3>&1 4>&2 >"$folder/log" 2>&1

daemons=()
stop() {
	trap - EXIT
	[ ${#daemons[@]} = 0 ] || kill -KILL "${daemons[@]}" || true
	wait
	[ -n "${ready:-}" ] || tail -n 20 log >&4
	rm -rf "$folder"
}
trap stop EXIT
trap 'exit 1' INT TERM HUP
daemon() { # PROGRAM ID
	setpriv --pdeathsig KILL "$1" -f --cluster ceph --id "$2" 3>&- 4>&- </dev/null &
	daemons+=($!)
}

# No other process has this id, and so no other cluster has this address.
address=127.$(($$ >> 16)).$(($$ >> 8 & 255)).$(($$ & 255))
fsid=$(cat /proc/sys/kernel/random/uuid)
cd "$folder"
cat >"$CEPH_CONF" <<END
[global]
fsid = $fsid
mon host = v2:$address:3300
mon initial members = a
public addr = $address
cluster addr = $address
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $folder/\$name.keyring
run dir = $folder
admin socket = $folder/\$name.\$pid.asok
log file = /dev/null
mon cluster log file = /dev/null
crash dir = $folder
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
crush location = root=default host=node
mon allow pool size one = true
mon allow pool delete = true
[mon]
mon data = $folder/mon
mon data avail crit = 1
mon data avail warn = 2
[client.gateway]
rgw frontends = beast endpoint=$address:7480
[osd]
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 16G
# Removed snapshots give their memory back at once, not an object every 5 s.
osd snap trim sleep = 0.001
END

key() { ceph-authtool --create-keyring "$1.keyring" --gen-key -n "$1" "${@:2}"; }
key mon. --cap mon 'allow *'
key client.admin --cap mon 'allow *' --cap osd 'allow *'
cp mon..keyring all.keyring
ceph-authtool all.keyring --import-keyring client.admin.keyring
monmaptool --create --fsid "$fsid" --addv a "[v2:$address:3300]" monmap
ceph-mon --mkfs -i a --monmap monmap --keyring all.keyring
cp mon..keyring mon.a.keyring
daemon ceph-mon a
ceph() { timeout 60 /usr/bin/ceph "$@"; }
ceph config set mon auth_allow_insecure_global_id_reclaim false

mkdir osd
id=$(ceph osd new "$(cat /proc/sys/kernel/random/uuid)")
ceph auth get-or-create "osd.$id" mon 'allow profile osd' osd 'allow *' -o "osd.$id.keyring"
ceph-osd --mkfs -i "$id" --osd-uuid "$(ceph osd dump -f json | grep -oP '"osd":'"$id"',"uuid":"\K[^"]*')"
daemon ceph-osd "$id"
ceph osd pool create rbd 8
timeout 60 rbd pool init rbd
if [ "$s3_key" ]; then
	ceph auth get-or-create client.gateway mon 'allow rw' osd 'allow rwx' -o client.gateway.keyring
	daemon radosgw gateway
	timeout 120 radosgw-admin user create --uid backup --display-name backup --access-key "$s3_key" --secret-key "$s3_secret" >/dev/null
	for _ in {1..600}; do (exec 5<>/dev/tcp/$address/7480) 2>/dev/null && break; sleep 0.2; done
	echo "http://$address:7480" >s3
fi
ready=yes
echo ready >&3
cat >/dev/null
