# shellcheck shell=bash
# What the scenarios share. Sourced by each; the first thing that goes wrong ends the scenario with one clear line.
set -Eeuo pipefail
trap 'echo "FAILED: $(basename "${BASH_SOURCE[0]}" .sh):$LINENO: $BASH_COMMAND (status $?)"' ERR

ORIGIN=/dev/vda
MOUNT=/mnt/origin
SCRATCH=/mnt/scratch		# a filesystem with reflinks on /dev/vdb, for images
FS=${FS:-ext4}
FS_BLOCK=${FS_BLOCK:-4096}	# size of its blocks
PROC=/proc/datto-info

say() { printf '%s\n' "$*"; }
step() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }
die() { trap - ERR; printf 'FAILED: %s\n' "$*"; exit 1; }

# Waits until udev has looked at what is new.
settle() { "$PROGRAMS/settle"; }

# images, race, load, ioctls: built on the host from tests/vm/programs
images() { "$PROGRAMS/images" "$@"; }
# The driver's requests, by programs/dbdctl.c. udev looks at a new node, which keeps it busy for a moment.
dbdctl() {
	"$PROGRAMS/dbdctl" "$@" || return
	settle
}
# Sets the caller's $status to the answer of the process of the tools. Its FIFOs are opened for both, which never waits. A read that
# times out may have taken a part of the line.
answer() {
	local part
	status=
	until read -rt 20 part <>"$answers"; do
		status+=$part
		kill -0 "$(cat /run/tool.pid)" 2>/dev/null || die "the process of the tools has ended: $(cat /run/tool.log)"
	done
	status+=$part
}
# tool NAME ARGUMENTS...: one of the tools, as it is shipped. Node takes a second to start here, so all runs share one process, which is
# in the mount namespace of the first.
tool() {
	local status questions=/run/tool.questions answers=/run/tool.answers program=$PROJECT/dist/$1.mjs
	shift
	if [ ! -e $questions ]; then
		mkfifo $questions $answers
		(cd / && exec setsid node "$PROJECT/tests/cli/tool-loop.mjs" $questions $answers) >/run/tool.log 2>&1 &
		echo $! >/run/tool.pid
		answer
	fi
	{
		printf '%s\0' /proc/$BASHPID/fd/{8,9} "$PWD" 0 $(($# + 1)) "$program" "$@" 1<>"$questions"
		answer
	} 8>&1 9>&2
	return "$status"
}
# dbdctl itself: where the tool is the point.
dbdctl_tool() {
	tool dbdctl "$@" || return
	settle
}
# An image is brought up to date by a program of a few lines; by update-img itself where the tool is the point.
update_img() { images update "$1" "$2" "$3"; }
update_img_tool() { tool update-img "$@"; }

# noise FILE MIB: a new file of random bytes, on the disk
noise() { "$PROGRAMS/noise" "$@"; }

# nap SECONDS: sleeps, for which no program is started
exec {never}<> <(:)
nap() { read -rt "$1" -u "$never" || true; }

# rounds FEW MANY: how often the same is repeated, or how much of it there is, in npm test and in npm run test:all
rounds() { if [ "${LONG:-}" ]; then echo "$2"; else echo "$1"; fi; }

# same WHAT GOT WANTED
same() { [ "$2" = "$3" ] || die "$1: got '$2', expected '$3'"; }

# matches PATTERN: what comes in has such a line. It reads to the end: `grep -q` alone does not, and who writes then dies of SIGPIPE.
matches() {
	local text
	text=$(cat)
	grep -q -- "$1" <<< "$text"
}

# refused ERRNO_TEXT COMMAND...: the command fails, and its last words are the errno's text
refused() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then die "'$*' succeeded, expected '$text'"; fi
	case $out in *"$text"*) ;; *) die "'$*' failed with '$out', expected '$text'" ;; esac
}

# until_true SECONDS WHAT COMMAND...
until_true() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $end ] || die "$what did not happen in time"
		nap 0.2
	done
}

# field MINOR KEY: a value of /proc/datto-info, without quotes; nothing if the key or the device is absent. Asked often: starts no program.
field() {
	local lines line key value minor=
	mapfile -t lines <$PROC
	for line in "${lines[@]}"; do
		key=${line%%\": *} value=${line#*\": }
		key=${key##*\"} value=${value%,}
		[ "$key" != minor ] || minor=$value
		[ "$minor" = "$1" ] && [ "$key" = "$2" ] || continue
		printf '%s\n' "${value//\"/}"
		return
	done
}

load_module() { insmod "$DATTOBD_KO" "$@"; settle; }
unload_module() { settle; rmmod dattobd; }

# make_ext4 DEVICE [MKFS_OPTION...]: blocks of $FS_BLOCK also where it is small, and nothing left for the kernel to initialize: what it
# writes for that, some seconds after the mount, would be in the snapshot that is taken then, and can be more than its COW file holds.
make_ext4() { mkfs.ext4 -q -b "$FS_BLOCK" -E lazy_itable_init=0,lazy_journal_init=0 "${@:2}" "$1"; }

# make_origin [MKFS_OPTION...]: filesystem $FS on $ORIGIN, mounted with $MOUNT_OPTIONS (discard)
make_origin() {
	if [ "$FS" = ext4 ]; then make_ext4 "$ORIGIN" "$@"; else "mkfs.$FS" -q -b size="$FS_BLOCK" "$@" "$ORIGIN"; fi
	mkdir -p $MOUNT
	mount -o "${MOUNT_OPTIONS:-discard}" "$ORIGIN" $MOUNT
}

[ -e /dev/loop-control ] || modprobe loop

make_scratch() {
	mkfs.xfs -q -m reflink=1 /dev/vdb
	mkdir -p $SCRATCH
	mount /dev/vdb $SCRATCH
}

# Where the machine has a root of its own, $MOUNT is that root. The script is run again after these, with a higher $BOOT.
reboot_now() { echo reboot >/out/next; exit 0; }
reboot_at_once() { touch /out/at-once; reboot_now; }	# without a shutdown
cut_power() { echo cut >/out/next; sleep 1000; }

# equal A B: no byte differs. Unlike cmp, reads past the page cache, which is faster here and sees what is stored.
equal() { [ "$(images differ "$1" "$2")" = 0 ]; }

# copy_device FROM TO: every byte, past the page cache
copy_device() { dd if="$1" of="$2" bs=1M iflag=direct oflag=direct status=none; }
checksum() { images sum "$1"; }

# check_filesystem IMAGE: replay the log of a copy by mounting it, then let the filesystem's own checker look at it
check_filesystem() {
	local copy=$SCRATCH/check loop options=()
	cp --reflink=always "$1" $copy
	loop=$(losetup --find --show $copy)
	[ "$FS" = xfs ] && options=(-o nouuid)
	mkdir -p /mnt/check
	mount "${options[@]}" "$loop" /mnt/check
	umount /mnt/check
	check_device "$loop"
	losetup -d "$loop"
	rm $copy
}

check_device() {
	local out
	if [ "$FS" = ext4 ]; then out=$(e2fsck -fn "$1" 2>&1) || die "e2fsck of $1: $out"
	else out=$(xfs_repair -n "$1" 2>&1) || die "xfs_repair of $1: $out"; fi
}

# block_of FILE: where its first block lies on the device, in blocks
block_of() { filefrag -b4096 -v "$1" | awk '$1 == "0:" { sub(/\.\..*/, "", $4); print $4 }'; }

# write_raw DEVICE BLOCK COUNT: new content past any filesystem
write_raw() { dd if=/dev/urandom of="$1" bs=4k seek="$2" count="$3" oflag=direct conv=notrunc status=none; }

# start_load [SCALE [MIB]]: everything that writes to a filesystem, at once, in $MOUNT/load; SCALE in percent, MIB of each of fio's files (16).
# In the background: what is tested gets most of the CPU, which is emulated and soon busy.
# All free space is trimmed every 3 s between trim_on and trim_off; in incremental mode that changes all of it.
trim_on() { touch /run/trim; }
trim_off() { rm -f /run/trim; }
start_load() {
	local scale=${1:-100} dir=$MOUNT/load
	mkdir -p $dir/files
	nice -n 10 "$PROGRAMS/load" $dir/files 48 $((2 * scale)) "${SEED:-$RANDOM}" >/run/load.log 2>&1 &
	LOAD_PID=$!
	nice -n 10 fio --directory=$dir --time_based --runtime=100000 --size="${2:-16}M" --thread --group_reporting --eta=never --output=/run/fio.log \
		--name=buffered --rw=randwrite --bs=4k-64k --bsrange=512-64k --rate=$((10 * scale))k --fsync=200 \
		--name=direct --rw=randwrite --direct=1 --bs=4k --rate_iops=$((scale)) \
		--name=mapped --rw=randwrite --ioengine=mmap --bs=4k --rate=$((5 * scale))k &
	FIO_PID=$!
	(while sleep 3; do [ ! -e /run/trim ] || fstrim $MOUNT; done) >/run/fstrim.log 2>&1 &
	TRIM_PID=$!
}

load_alive() { kill -0 "$LOAD_PID" 2>/dev/null && kill -0 "$FIO_PID" 2>/dev/null; }

# end_fio PID: a signal that it gets while it starts its threads is lost.
end_fio() {
	while kill -INT "$1" 2>/dev/null; do nap 0.5; done
	wait "$1" || [ $? = 128 ] || die "fio ended with $?"	# 128: at a signal
}

stop_load() {
	load_alive || die "the load ended early: $(tail -3 /run/load.log /run/fio.log)"
	kill "$TRIM_PID"
	wait "$TRIM_PID" 2>/dev/null || [ $? = 143 ]
	kill -TERM "$LOAD_PID"
	wait "$LOAD_PID" || die "$(cat /run/load.log)"
	end_fio "$FIO_PID"
	! grep -E 'error=|err=[^:]*[1-9][0-9]*:?$' /run/fio.log || die "fio saw an error"
	say "$(cat /run/load.log)"
}

# Memory that a module could leave behind, in KiB, once caches are dropped and delayed frees have run. KASAN keeps what was freed
# until its cache is shrunk.
kept_memory() {
	local shrink
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	for shrink in /sys/kernel/slab/*/shrink; do echo 1 >"$shrink"; done
	awk '/^(SUnreclaim|VmallocUsed|Percpu):/ { sum += $2 } END { print sum }' /proc/meminfo
}

remember_memory() { MEMORY_BEFORE=$(kept_memory); }

# Nothing of the module is left since remember_memory. One device's interpreter and buffers take far more than may be gone.
nothing_remains() {
	local after
	after=$(kept_memory)
	say "kernel memory: $MEMORY_BEFORE KiB before, $after KiB after"
	[ $((after - MEMORY_BEFORE)) -lt 4096 ] || die "the kernel's memory grew by $((after - MEMORY_BEFORE)) KiB"
	! grep -q '\[dattobd\]' /proc/vmallocinfo || die "vmalloc areas of the module remain"
	! grep -q '^datto' /proc/slabinfo || die "slab caches of the module remain"
}
