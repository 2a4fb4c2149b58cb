# What /proc/datto-info to the byte, the nodes and their modes, the parameters of the module (docs/ABI.md, C and D).
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
size=$(blockdev --getsize64 $ORIGIN)

# is_proc TEXT: /proc/datto-info is exactly that, with counters and times as they are: a filesystem writes when it likes
is_proc() {
	local got wanted key
	got=$(cat $PROC; echo .)
	wanted=$(printf %b "$1."; echo)
	for key in nr_changed_blocks last_freeze_ms checkpoint_age_seconds checkpoint_bytes dirty_regions; do
		wanted=${wanted/@$key@/$(sed -n "s/.*\"$key\": \([0-9]*\),/\1/p" <<<"$got")}
	done
	[ "$got" = "$wanted" ] || die "$PROC is '$got', expected '$wanted'"
}
nothing='{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n'

# device MINOR COW FALLOCATE SIZE SEQ_ID STATE [LIVE]: one device as /proc shows it, uuid and counters as they are
device() {
	local key checkpoint='"none",\n'
	if [ $# = 7 ]; then
		checkpoint='"live",\n'
		for key in checkpoint_age_seconds checkpoint_bytes dirty_regions; do checkpoint+="\\t\\t\\t\"$key\": @$key@,\\n"; done
		checkpoint+='\t\t\t"region_bytes": 4194304,\n'
	fi
	printf '\\t\\t{\\n\\t\\t\\t"minor": %s,\\n\\t\\t\\t"cow_file": "%s",\\n\\t\\t\\t"block_device": "%s",\\n' "$1" "$2" $ORIGIN
	printf '\\t\\t\\t"max_cache": 314572800,\\n\\t\\t\\t"fallocate": %s,\\n\\t\\t\\t"cow_size_current": %s,\\n' "$3" "$4"
	printf '\\t\\t\\t"seq_id": %s,\\n\\t\\t\\t"uuid": "%s",\\n\\t\\t\\t"version": 1,\\n' "$5" "$uuid"
	printf '\\t\\t\\t"nr_changed_blocks": @nr_changed_blocks@,\\n\\t\\t\\t"last_freeze_ms": @last_freeze_ms@,\\n'
	printf '\\t\\t\\t"checkpoint": %s\\t\\t\\t"state": %s\\n\\t\\t}' "$checkpoint" "$6"
}
devices() { printf '{\\n\\t"version": "0.12.1",\\n\\t"devices": [\\n%s\\n\\t]\\n}\\n' "$1"; }

load_module
is_proc "$nothing"
same "C15 mode of $PROC" "$(stat -c %a $PROC)" 444
same "C2 mode of the control node" "$(stat -c '%a %U:%G %F' /dev/datto-ctl)" "600 root:root character special file"
grep -q ' datto-ctl$' /proc/misc || die "C2: no datto-ctl in /proc/misc"
grep -q ' datto$' /proc/devices || die "C3: no datto in /proc/devices"
parameters=/sys/module/dattobd/parameters
same "C1 version" "$(cat /sys/module/dattobd/version)" 0.12.1
same "C20" "$(stat -c %a $parameters/may_hook_syscalls) $(cat $parameters/may_hook_syscalls)" "444 1"
same "C23" "$(stat -c %a $parameters/max_snap_devices) $(cat $parameters/max_snap_devices)" "444 24"
same "C24" "$(stat -c %a $parameters/debug) $(cat $parameters/debug)" "644 0"
[ ! -e $parameters/cow_max_memory_default ] || die "C21 is visible"
[ ! -e $parameters/cow_fallocate_percentage_default ] || die "C22 is visible"

# Whoever may open the control node does not become its administrator by that.
chmod 666 /dev/datto-ctl
setpriv --bounding-set -sys_admin true
for request in "setup-snapshot $ORIGIN $MOUNT/cow 0" "destroy 0" "reload-incremental $ORIGIN /cow 0" "expand-cow-file 1 0"; do
	# shellcheck disable=SC2086 # words
	refused "Operation not permitted" setpriv --bounding-set -sys_admin "$PROGRAMS/dbdctl" $request
done
[ ! -e $MOUNT/cow ] || die "a set-up without CAP_SYS_ADMIN made its COW file"
chmod 600 /dev/datto-ctl

dbdctl setup-snapshot $ORIGIN $MOUNT/cow 0
sync
uuid=$(field 0 uuid)
echo "$uuid" | grep -Eq '^[0-9a-f]{12}4[0-9a-f]{19}$' || die "D2.8 uuid: $uuid"
ten_percent=$((size * 10 / 100))
is_live() { [ "$(field 0 checkpoint)" = live ]; }
until_true 20 "a live checkpoint of a snapshot" is_live
is_proc "$(devices "$(device 0 /cow $((ten_percent >> 20 << 20)) $ten_percent 1 3 live)")"
settle
same "C4 mode of the snapshot's node" "$(stat -c '%a %U:%G %F' /dev/datto0)" "660 root:disk block special file"
same "C4 minor" "$(stat -c %T /dev/datto0)" 0
same "C6 capacity" "$(cat /sys/block/datto0/size)" $((size / 512))
same "C7 read-only" "$(cat /sys/block/datto0/ro)" 1
refused "Operation not permitted" dd if=/dev/zero of=/dev/datto0 bs=4k count=1 conv=notrunc
same "C8 block size" "$(blockdev --getss --getpbsz /dev/datto0 | tr '\n' ' ')" "$(blockdev --getss --getpbsz $ORIGIN | tr '\n' ' ')"
sectors_read() { awk '{ print $3 }' /sys/block/datto0/stat; }
before=$(sectors_read)
dd if=/dev/datto0 of=/dev/null bs=1M count=3 skip=64 iflag=direct status=none
same "C12 sectors that were read" $(($(sectors_read) - before)) 6144

echo 0 >$parameters/checkpoint_interval	# so that none is made while that is compared
dbdctl transition-to-incremental 0
sync
[ ! -e /dev/datto0 ] || die "C5 the snapshot's node is still there"
index=$((4096 + 32768 * ((size / 4096 + 4095) / 4096)))
is_proc "$(devices "$(device 0 /cow $((ten_percent >> 20 << 20)) $index 1 2)")"
same "A7.11 file size" "$(stat -c %s $MOUNT/cow)" $index
echo 300 >$parameters/checkpoint_interval
until_true 20 "a live checkpoint" is_live
is_proc "$(devices "$(device 0 /cow $((ten_percent >> 20 << 20)) $index 1 2 live)")"

mkdir $MOUNT/folder
ln -s folder $MOUNT/link
dbdctl transition-to-snapshot -f 12 $MOUNT/link/../link/new 0
sync
until_true 20 "a live checkpoint of the next snapshot" is_live
is_proc "$(devices "$(device 0 /folder/new $((12 << 20)) $((12 << 20)) 2 3 live)")"
refused "in use" bash -c "exec 5</dev/datto0; rmmod dattobd"

# Names are escaped as JSON demands; what is no UTF-8 becomes U+FFFD.
dbdctl destroy 0
odd=$'a "quote", \\ \n\t\x01\x7f \xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xbe \xff\xc3 \xc0\xaf\xed\xa0\x80.'
mkdir "$MOUNT/$odd"
(cd "$MOUNT/$odd" && "$PROGRAMS/client" dattobd_setup_snapshot 0 $ORIGIN cow 12 0)
# shellcheck disable=SC2016 # of JavaScript
node -e 'const name = JSON.parse(require("fs").readFileSync("/proc/datto-info")).devices[0].cow_file;
	const wanted = "/a \"quote\", \\ \n\t\x01\x7f é€💾 \ufffd\ufffd \ufffd\ufffd\ufffd\ufffd\ufffd./cow";
	if (name !== wanted) { console.error(JSON.stringify(name) + ", expected " + JSON.stringify(wanted)); process.exit(1); }' ||
	die "odd names are shown otherwise"
dbdctl destroy 0
dbdctl setup-snapshot -f 12 $ORIGIN $MOUNT/folder/new 0

# Q19: whoever reads slowly gets what was there when it began, and keeps nobody waiting.
exec 7<$PROC
dd bs=1 count=100 status=none <&7 >/run/slowly
dbdctl destroy 0
umount $MOUNT
mount -o discard $ORIGIN $MOUNT
is_proc "$nothing"
dd bs=1 status=none <&7 >>/run/slowly
exec 7<&-
node -e 'const d = JSON.parse(require("fs").readFileSync("/run/slowly")).devices; process.exit(d.length === 1 && d[0].cow_file === "/folder/new" && d[0].state === 3 ? 0 : 1)' ||
	die "a slow reader got $(cat /run/slowly)"
unload_module

load_module max_snap_devices=1
is_proc "$nothing"
refused "Invalid argument" dbdctl setup-snapshot $ORIGIN $MOUNT/cow 1
unload_module
load_module max_snap_devices=0
same "C11 0 means 24" "$(cat $parameters/max_snap_devices)" 24
unload_module
load_module max_snap_devices=300 cow_fallocate_percentage_default=20 cow_max_memory_default=1000000
same "C11 at most 255" "$(cat $parameters/max_snap_devices)" 255
dbdctl setup-snapshot $ORIGIN $MOUNT/cow 254
same "C22" "$(field 254 cow_size_current)" $((size * 20 / 100))
same "C21" "$(field 254 max_cache)" 1000000
[ -b /dev/datto254 ] || die "C4: no /dev/datto254"
dbdctl destroy 254
umount $MOUNT
unload_module
