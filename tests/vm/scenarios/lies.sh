# A core whose exports return anything: each of them, low, high, negative, enormous, in every core while a device goes through its life.
# What it does may fail, but it ends; the machine goes on, and a core that does not lie works afterwards. In npm test ten of them lie.
. "$PROJECT/tests/vm/guest/lib.sh"
DATTOBD_KO=$DATTOBD_DEBUG_KO
values=(-9223372036854775808 -5000 -4097 -4096 -22 -1 0 1 2 4097 16385 4294967296 9223372036854775807)
seed=${LIES_SEED:-$RANDOM}
say "seed $seed"
RANDOM=$seed
parameters=/sys/module/dattobd/parameters
mapfile -t exports < <(sed -n 's/^\tX([A-Z_]*, "\([a-z_]*\)".*/\1/p' "$PROJECT/kmod-stub/layout.h")
[ ${#exports[@]} -gt 40 ] || die "found ${#exports[@]} exports of the core"
# Those that ask for the same again and again, whatever they get.
greedy=("mark -4097" "mark_unmasked -4097" "mask_extent -4097" "commit_copy -4096" "plan_read -4096" "section_request 2" "record_next 4096")
chosen() { printf '%s\n' "${exports[@]}" | shuf -n "$(rounds 3 ${#exports[@]})" --random-source=<(yes "$RANDOM"); }

make_origin
load_module
noise $MOUNT/file 8
# try SECONDS_MAX COMMAND...: it may fail
try() {
	local status=0
	timeout -k 5 "$@" >/run/output 2>&1 || status=$?
	case $status in 124 | 137) die "'${*:2}' did not end within $1 s where $export returns $value" ;; esac
}
request() { try 30 "$PROGRAMS/dbdctl" "$@"; }
overwrite() { try 30 dd if=/dev/urandom of=$MOUNT/file bs=256k count=1 seek=$((RANDOM % 32)) oflag=direct conv=notrunc status=none; }
lie() {
	request setup-snapshot -f 16 $ORIGIN $MOUNT/cow 0
	echo "$export $value" >$parameters/debug_lie_all
	overwrite
	try 30 dd if=/dev/datto0 of=/dev/null bs=1M count=4 iflag=direct status=none
	request reconfigure -c 4 0
	request expand-cow-file 4 0
	request transition-to-incremental 0
	overwrite
	request transition-to-snapshot -f 16 $MOUNT/cow1 0
	overwrite
	cat $PROC >/run/output
	umount $MOUNT
	request destroy 0	# it writes a checkpoint
	request reload-snapshot $ORIGIN /cow1 0
	request reload-incremental $ORIGIN /cow 1
	mount -o discard $ORIGIN $MOUNT
	overwrite
	request destroy 0
	request destroy 1
	echo "none 0" >$parameters/debug_lie_all
	request destroy 0
	request destroy 1
	rm -f $MOUNT/cow $MOUNT/cow1
	same "devices where $export returns $value" "$(field 0 state)$(field 1 state)" ""
}
count=0
for export in "${greedy[@]}"; do
	read -r export value <<< "$export"
	lie
	count=$((count + 1))
done
deadline=$((SECONDS + ${LIES_SECONDS:-0}))
while :; do
	for export in $(chosen); do
		value=${values[RANDOM % ${#values[@]}]}
		if ((RANDOM % 4 == 0)); then value=$((RANDOM * RANDOM * RANDOM * RANDOM)); fi
		lie
		count=$((count + 1))
	done
	[ $SECONDS -lt $deadline ] || break
done
step "$count lies: everything ended"
dmesg | matches "which cannot be right" || die "no lie was noticed"

dbdctl setup-snapshot -f 16 $ORIGIN $MOUNT/cow 0
before=$(checksum /dev/datto0)
dd if=/dev/urandom of=$MOUNT/file bs=1M count=8 conv=notrunc,fsync status=none
same "a snapshot afterwards" "$(checksum /dev/datto0)" "$before"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
