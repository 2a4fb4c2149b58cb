# What each request answers in each state (docs/STATES.md, E.5 and E.6), first to a C program through libdattobd, then
# to dbdctl: the same errnos.
. "$PROJECT/tests/vm/guest/lib.sh"
client="$PROGRAMS/client"
ldd "$client" | matches "libdattobd.so.1 => /" || die "the client does not use the library: $(ldd "$client")"

# An origin of which a block can be made unreadable.
modprobe dm-mod
sectors=$(($(blockdev --getsz /dev/vda) - 65536))
dmsetup create origin --table "0 $sectors linear /dev/vda 0"
settle
ORIGIN=/dev/mapper/origin
make_origin
C=$MOUNT/cow

# A filesystem that cannot tell where a file lies.
minix=
if modprobe -q minix; then
	truncate -s 16M /run/minix
	mkfs.minix /run/minix >/dev/null
	minix=$(losetup --find --show /run/minix)
	mkdir /mnt/minix
	mount "$minix" /mnt/minix
fi

declare -A words=([0]="" [EINVAL]="Invalid argument" [EBUSY]="Device or resource busy" [ENOENT]="No such file or directory"
	[ENOTBLK]="Block device required" [EISDIR]="Is a directory" [EPERM]="Operation not permitted" [EOPNOTSUPP]="Operation not supported")
declare -A numbers=([0]=0 [EPERM]=1 [ENOENT]=2 [ENOTBLK]=15 [EBUSY]=16 [EISDIR]=21 [EINVAL]=22 [EOPNOTSUPP]=95)

# by_dbdctl FUNCTION ARGUMENTS...: the library's function as dbdctl's command
by_dbdctl() {
	case $1 in
	setup_snapshot) dbdctl_tool setup-snapshot -f "$5" -c "$6" "$3" "$4" "$2" ;;
	reload_*) dbdctl_tool "${1/_/-}" -c "$5" "$3" "$4" "$2" ;;
	transition_snapshot) dbdctl_tool transition-to-snapshot -f "$4" "$3" "$2" ;;
	transition_incremental) dbdctl_tool transition-to-incremental "$2" ;;
	destroy) dbdctl_tool destroy "$2" ;;
	reconfigure) dbdctl_tool reconfigure -c "$3" "$2" ;;
	expand_cow_file) dbdctl_tool expand-cow-file "$3" "$2" ;;
	reconfigure_auto_expand) dbdctl_tool reconfigure-auto-expand -r "$4" "$3" "$2" ;;
	esac
}

# answers ERRNO FUNCTION ARGUMENTS...: 0 for success; a path "-" is NULL, which dbdctl cannot say
rows=0
answers() {
	local wanted=$1 got out
	shift
	rows=$((rows + 1))
	if [ "$by" = library ]; then
		got=$("$client" "dattobd_$1" "${@:2}" | tail -1)
		settle
		if [ "$wanted" = 0 ]; then same "$where: $*" "$got" "0 0"
		else same "$where: $*" "$got" "-1 ${numbers[$wanted]}"; fi
	elif [[ " $* " != *" - "* ]]; then
		got=0
		out=$(by_dbdctl "$@" 2>&1) || got=$?
		if [ "$wanted" = 0 ]; then same "$where: $*" "$got $out" "0 "
		else case "$got $out" in "255 "*": ${words[$wanted]}") ;; *) die "$where: $*: got '$got $out', expected ${words[$wanted]}" ;; esac; fi
	fi
}

# What /proc tells, in the words of the client's info request.
proc_line() {
	local key line=()
	for key in minor state error max_cache cow_size_current seq_id version nr_changed_blocks cow_file block_device uuid; do
		line+=("$(field 0 $key)")
	done
	line[2]=${line[2]:-0}
	echo "${line[*]}"
}

# info_is_proc: the info request tells what /proc tells. A filesystem may write between them: not if /proc tells the same after it.
info_is_proc() {
	local before info after
	sync
	for _ in 1 2 3 4 5; do
		before=$(proc_line)
		info=$("$client" dattobd_info 0 + | sed -n 1p)
		after=$(proc_line)
		[ "$before" != "$after" ] || break
	done
	same "$where: info" "$info" "$after"
}

# What asks the same in every state, dbdctl asks in one.
every_state() { [ "$by" = library ] || [ "$where" = "state 3" ]; }
# taken: minor and origin have their device, of which the info request tells what /proc tells
taken() {
	every_state || return 0
	answers EBUSY setup_snapshot 0 $ORIGIN $C.other 5 0
	answers EINVAL setup_snapshot 1 $ORIGIN $C.other 5 0
	[ "$by" = dbdctl ] || info_is_proc
}
# while_open: what is refused as long as the snapshot is read
while_open() {
	every_state || return 0
	exec 5</dev/datto0
	answers EBUSY destroy 0
	answers EBUSY transition_incremental 0
	answers EBUSY transition_snapshot 0 $C.other 5
	served reconfigure && answers EBUSY reconfigure 0 1000000
	exec 5<&-
}
# A function that the driver does not serve yet says so; its rows wait for it.
served() { [ "$("$client" "dattobd_$1" 1 1 1 1 | tail -1)" != "-1 95" ]; }
cache_limit() { ! served reconfigure || answers 0 reconfigure 0 2000000; }
# Growing works while the snapshot is read, and a growth that fails leaves it as it is (Q11, Q12).
growing() {
	served expand_cow_file || return 0
	exec 5</dev/datto0
	answers 0 expand_cow_file 0 1
	answers EINVAL expand_cow_file 0 0
	answers 0 reconfigure_auto_expand 0 1 10
	exec 5<&-
	same "$where: grown" "$(field 0 cow_size_current) $(field 0 state) $(field 0 error)" "$((21 << 20)) 3 "
}
wrong_state() {
	local function
	for function in "$@"; do
		case $function in
		transition_incremental) answers EINVAL "$function" 0 ;;
		transition_snapshot) answers EINVAL "$function" 0 $C.other 5 ;;
		*) ! served "$function" || answers EINVAL "$function" 0 5 5 ;;
		esac
	done
	[ ! -e $C.other ] || die "$where: a request that was refused left a COW file"
}

pass() {
	by=$1 where="no device"
	answers EINVAL setup_snapshot 0 - $C 5 0
	answers EINVAL setup_snapshot 0 $ORIGIN - 5 0
	answers EINVAL transition_snapshot 0 - 5
	answers ENOENT destroy 0
	answers EINVAL destroy 24
	answers ENOENT transition_incremental 3
	answers ENOENT transition_snapshot 3 $C 5
	answers ENOENT setup_snapshot 0 /dev/nothing $C 5 0
	answers ENOTBLK setup_snapshot 0 /etc/passwd $C 5 0
	answers EISDIR setup_snapshot 0 $ORIGIN $MOUNT 5 0
	if [ "$minix" ]; then
		answers EOPNOTSUPP setup_snapshot 0 "$minix" /mnt/minix/cow 5 0
		[ ! -e /mnt/minix/cow ] || die "$where: a set-up that was refused left a COW file"
	fi
	# Q30: somebody has it, who is no filesystem.
	answers EINVAL setup_snapshot 0 /dev/vda $C 5 0
	if [ "$by" = library ]; then
		same "$where: info" "$("$client" dattobd_info 0 +)" "-1 2"
		same "$where: info into nothing" "$("$client" dattobd_info 0 -)" "-1 22"
		same "$where: free minor" "$("$client" dattobd_get_free_minor)" "0 0"
	fi

	where="state 3"
	answers 0 setup_snapshot 0 $ORIGIN $C 20 1000000
	same "$where" "$(field 0 state) $(field 0 max_cache) $(field 0 cow_size_current)" "3 1000000 $((20 << 20))"
	same "D2.3 links resolved" "$(field 0 block_device)" /dev/dm-0
	[ "$by" = dbdctl ] || same "$where: free minor" "$("$client" dattobd_get_free_minor)" "1 0"
	taken
	while_open
	growing
	cache_limit
	wrong_state transition_snapshot

	where="state 1"
	umount $MOUNT
	same "$where" "$(field 0 state)" 1
	taken
	while_open
	cache_limit
	wrong_state transition_incremental transition_snapshot expand_cow_file reconfigure_auto_expand
	mount $ORIGIN $MOUNT

	where="state 2"
	answers 0 transition_incremental 0
	same "$where" "$(field 0 state)" 2
	taken
	cache_limit
	wrong_state transition_incremental expand_cow_file reconfigure_auto_expand
	answers EPERM transition_snapshot 0 $C 5

	where="state 0"
	umount $MOUNT
	same "$where" "$(field 0 state)" 0
	taken
	cache_limit
	wrong_state transition_incremental transition_snapshot expand_cow_file reconfigure_auto_expand
	mount $ORIGIN $MOUNT
	answers 0 transition_snapshot 0 $C.2 20
	same "state 3 again" "$(field 0 state) $(field 0 seq_id)" "3 2"
	rm $C

	# Q10: the minor is free, the COW file stays.
	where="destroyed in state 1"
	umount $MOUNT
	answers 0 destroy 0
	answers ENOENT destroy 0
	mount $ORIGIN $MOUNT
	[ -e $C.2 ] || die "$where: the COW file is gone"
	rm $C.2

	where="a full COW file"
	answers 0 setup_snapshot 0 $ORIGIN $C 5 0
	dd if=/dev/urandom of=$MOUNT/file bs=1M count=20 conv=notrunc,fsync status=none
	same "$where" "$(field 0 state) $(field 0 error)" "3 -27"
	taken
	while_open
	wrong_state transition_incremental transition_snapshot reconfigure expand_cow_file reconfigure_auto_expand
	# E6.1: the first error stays, whatever comes. E6.6: an umount has nothing to wait for.
	umount $MOUNT
	same "$where, unmounted" "$(field 0 state) $(field 0 error)" "1 -27"
	mount $ORIGIN $MOUNT
	answers 0 destroy 0
	[ ! -e /dev/datto0 ] || die "$where: /dev/datto0 is still there"
	rm -f $C

	where="an unreadable block"
	answers 0 setup_snapshot 0 $ORIGIN $C 20 0
	block=$(block_of $MOUNT/file)
	bad="0 $((block * 8)) linear /dev/vda 0
$((block * 8)) 8 error
$((block * 8 + 8)) $((sectors - block * 8 - 8)) linear /dev/vda $((block * 8 + 8))"
	dmsetup reload origin --table "$bad"
	dmsetup suspend --nolockfs origin
	dmsetup resume origin
	refused "Input/output error" dd if=/dev/zero of=$MOUNT/file bs=4k count=1 oflag=direct conv=notrunc
	same "$where" "$(field 0 state) $(field 0 error)" "3 -5"
	dmsetup reload origin --table "0 $sectors linear /dev/vda 0"
	dmsetup suspend --nolockfs origin
	dmsetup resume origin
	dd if=/dev/zero of=$MOUNT/file bs=4k count=1 oflag=direct conv=notrunc status=none
	refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
	taken
	wrong_state transition_incremental transition_snapshot reconfigure
	answers 0 destroy 0
	[ ! -e $C ] || die "$where: the COW file is still there"
}

[ "$("$client" dattobd_get_free_minor)" = "-1 2" ] || die "the library finds a driver that is not there"
load_module
pass library
step "the library: $rows rows"
rows=0
pass dbdctl
step "dbdctl: $rows rows"

# Unloaded while the origin is not mounted: the COW file stays.
dbdctl setup-snapshot -f 10 $ORIGIN $C 0
umount $MOUNT
unload_module
mount $ORIGIN $MOUNT
rm $C

# An origin that grows while it is tracked: its snapshot stays as it is, and the next one has all of it.
grow() {
	dmsetup suspend origin
	dmsetup reload origin --table "0 $1 linear /dev/vda 0"
	dmsetup resume origin
	if [ "$FS" = ext4 ]; then resize2fs $ORIGIN >/run/grown 2>&1; else xfs_growfs $MOUNT >/run/grown; fi || die "$(cat /run/grown)"
	sync -f $MOUNT
	write_raw $ORIGIN $(($1 / 8 - 1)) 1
}
load_module
dbdctl setup-snapshot -f 10 $ORIGIN $C 0
grow $((sectors + 32768))
same "grown, in snapshot mode" "$(field 0 state) $(field 0 error)" "3 "
same "size of the snapshot" "$(blockdev --getsz /dev/datto0)" "$sectors"
dd if=/dev/datto0 of=/dev/null bs=1M iflag=direct status=none || die "the snapshot of an origin that grew cannot be read"
dbdctl destroy 0
dbdctl setup-snapshot -f 10 $ORIGIN $C 0
dbdctl transition-to-incremental 0
grow $((sectors + 65536))
dbdctl transition-to-snapshot $C.2 0
same "grown, in incremental mode" "$(field 0 state) $(field 0 error)" "3 "
same "size of the next snapshot" "$(blockdev --getsz /dev/datto0)" "$((sectors + 65536))"
images listed $C $(((sectors + 65536) * 512)) >/run/listed
[ "$(cat /run/listed)" -ge 4096 ] || die "of what the origin has grown by, $(cat /run/listed) blocks are listed, expected 4096"
dbdctl destroy 0
unload_module
step "an origin that grows"
umount $MOUNT
check_device $ORIGIN
dmsetup remove origin
[ ! "$minix" ] || umount /mnt/minix
