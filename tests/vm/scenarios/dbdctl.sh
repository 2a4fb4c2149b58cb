# dbdctl's exit status and words, against the driver itself (docs/COMMANDS.md, F.2).
. "$PROJECT/tests/vm/guest/lib.sh"
# The first and the last rows have a process of their own, as users have; the others share one.
own_process() { node "$PROJECT/dist/dbdctl.mjs" "$@"; }
run=own_process
dbdctl() { "$run" "$@"; }
make_origin
noise $MOUNT/file 20
cd /run

# row WHAT STATUS STDOUT_START STDERR_END ARGUMENTS...: an empty pattern means that nothing is printed
row() {
	local what=$1 wanted=$2 start=$3 end=$4 got=0
	shift 4
	dbdctl "$@" >/run/stdout 2>/run/stderr || got=$?
	same "$what: exit status" $got "$wanted"
	if [ -z "$start" ]; then [ ! -s /run/stdout ] || die "$what: printed $(cat /run/stdout)"
	else case $(cat /run/stdout) in "$start"*) ;; *) die "$what: printed '$(cat /run/stdout)', expected '$start...'" ;; esac; fi
	if [ -z "$end" ]; then [ ! -s /run/stderr ] || die "$what: said $(cat /run/stderr)"
	else case $(cat /run/stderr) in *"$end") ;; *) die "$what: said '$(cat /run/stderr)', expected '...$end'" ;; esac; fi
}

# says WORDS: so did the row before, on standard error
says() { matches "$1" </run/stderr || die "expected '$1', got: $(cat /run/stderr)"; }

row "F2.13 driver absent" 255 "" ": Invalid argument" destroy 0
row "F2.8 driver absent: help" 255 "" ": Invalid argument" help
run=dbdctl_tool
row "F2.8 no arguments come first" 255 "Usage:" ""
load_module
row "F2.6 help" 0 "Usage:" "" help
row "F2.7 no arguments" 255 "Usage:" ""
row "F2.7 unknown command" 255 "Usage:" ": Invalid argument" frobnicate 0
row "F2.11 too few arguments" 255 "Usage:" ": Invalid argument" setup-snapshot $ORIGIN
row "F2.11 too many arguments" 255 "Usage:" ": Invalid argument" destroy 0 1
row "F2.11 unknown option" 255 "Usage:" ": Invalid argument" setup-snapshot -x 1 $ORIGIN $MOUNT/cow 0
row "F2.11 not a number" 255 "Usage:" ": Success" destroy zero
row "F2.1 no signs" 255 "Usage:" ": Success" transition-to-incremental +1
row "F2.3 out of range" 255 "Usage:" ": Numerical result out of range" destroy 99999999999999999999
row "F2.4 a minor of more than 32 bits" 255 "Usage:" ": Numerical result out of range" destroy 4294967297
row "F2.10 refused by the driver" 255 "" ": No such file or directory" destroy 0
says "cannot destroy: no device has minor 0"
row "F2.10 minor too high" 255 "" ": Invalid argument" destroy 1000
says "minor 1000 is out of range, expected 0 to 23"
row "not on the volume" 255 "" ": Invalid argument" setup-snapshot $ORIGIN /run/cow 0
says "/run/cow does not lie on the volume itself; hint: choose a path below $MOUNT"
row "a reload of what is mounted" 255 "" ": Invalid argument" reload-incremental $ORIGIN /cow 0
says "$ORIGIN is mounted read-write; hint: a reload comes before the mount"
umount $MOUNT
row "not mounted" 255 "" ": Invalid argument" setup-snapshot $ORIGIN $MOUNT/cow 0
says "no filesystem of $ORIGIN is mounted read-write"
mount -o discard $ORIGIN $MOUNT
row "F2.10 base missing" 255 "" ": No such file or directory" setup-snapshot /dev/nothing $MOUNT/cow 0
row "F2.10 not a block device" 255 "" ": Block device required" setup-snapshot /dev $MOUNT/cow 0
row "F2.14 setup-snapshot says nothing" 0 "" "" setup-snapshot -c 10000000 -f 20 $ORIGIN $MOUNT/cow 0
same "F1.20 -c is in bytes" "$(field 0 max_cache)" 10000000
same "F1.21 -f is in MiB" "$(field 0 cow_size_current)" $((20 << 20))
row "F2.10 minor in use" 255 "" ": Device or resource busy" setup-snapshot $ORIGIN $MOUNT/other 0
says "minor 0 is in use, by $ORIGIN; hint: minor 1 is free"
row "tracked already" 255 "" ": Invalid argument" setup-snapshot $ORIGIN $MOUNT/other 1
says "$ORIGIN is tracked already, by minor 0"
row "wrong mode" 255 "" ": Invalid argument" transition-to-snapshot $MOUNT/other 0
says "is in snapshot mode, expected incremental mode"
dbdctl status >/run/status
grep -Eq "^minor .*origin" /run/status && grep -Eq "^0 +$ORIGIN " /run/status || die "status: $(cat /run/status)"
dbdctl status --json >/run/status.json
node -e 'const d = JSON.parse(require("fs").readFileSync("/run/status.json")).devices[0]; process.exit(d.minor === 0 && d.block_device === process.argv[1] ? 0 : 1)' \
	$ORIGIN || die "status --json: $(cat /run/status.json)"
row "F2.14 transition-to-incremental says nothing" 0 "" "" transition-to-incremental 0
row "F1.23 transition-to-snapshot says nothing" 0 "" "" transition-to-snapshot $MOUNT/cow.1 0
same "F1.23 -f omitted: the size before" "$(field 0 cow_size_current)" $((20 << 20))
row "options may follow" 0 "" "" transition-to-incremental 0
row "F1.21 transition -f is in MiB" 0 "" "" transition-to-snapshot $MOUNT/cow.2 -f 5 0
same "F1.21 transition -f" "$(field 0 cow_size_current)" $((5 << 20))
dd if=/dev/urandom of=$MOUNT/file bs=1M count=20 conv=notrunc,fsync status=none
dbdctl status >/run/status
grep -q "COW file full" /run/status || die "status of a full COW file: $(cat /run/status)"
run=own_process
row "F2.10 failed device" 255 "" ": Invalid argument" transition-to-incremental 0
says "minor 0 has failed: COW file full"
row "F2.14 destroy says nothing" 0 "" "" destroy 0
umount $MOUNT
unload_module
