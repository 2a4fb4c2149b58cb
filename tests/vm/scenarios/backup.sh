# datto-backup against the real module, under load: three rounds, kills at chosen points, and what it must refuse or heal.
. "$PROJECT/tests/vm/guest/lib.sh"
folder=$SCRATCH/backup
image=$folder/volume.img
truth=$SCRATCH/truth
options=(--cow-size "$(rounds 24 32)")
datto_backup() { tool datto-backup "${options[@]}" "$@"; }

# What is asked for again and again forks nothing, which is slow here.
text_of() { text=''; IFS= read -rd '' text <"$1" || [ "$text" ]; } 2>/dev/null
# know KEY: sets $value from the image's state. The first: what is kept of the image before has a number, too.
know() {
	value=
	text_of $image.datto-state && [[ $text =~ \"$1\":\ \"([^\"]*)\" ]] && value=${BASH_REMATCH[1]}
}
known() { know "$1" && printf '%s' "$value"; }
# look_at_device: sets $there to number and series of the snapshot or what follows it, as name of its copy
look_at_device() {
	there=
	text_of $PROC && [[ $text =~ \"seq_id\":\ ([0-9]+).*\"uuid\":\ \"([0-9a-f]+)\" ]] && there=${BASH_REMATCH[1]}-${BASH_REMATCH[2]}
}
device() { look_at_device && printf '%s' "$there"; }
another() { look_at_device && [ "$there" != "$1" ]; }

# watch KNOWN: from here on every snapshot but that one is copied, as soon as it is there, to $truth/<number>-<series>, beside
# the tool. Until that is done the snapshot is open, and the tool waits for it at its end.
watch() {
	local name=$1
	mkdir -p $truth
	while :; do
		until [ -b /dev/datto0 ] && another "$name"; do nap 0.1; done
		exec 8</dev/datto0 || continue
		name=$(device)
		copy_device /dev/datto0 $truth/part
		mv $truth/part "$truth/$name"
		exec 8<&-
	done
}
start_watch() { watch "$(device)" & WATCHER=$!; }
stop_watch() {
	kill $WATCHER
	wait $WATCHER 2>/dev/null || true
}

# proven WHAT: the image is what the watcher saw of the snapshot that it claims to be, and changes are tracked from there
proven() {
	local name
	name=$(known sequence)-$(known series)
	same "$1: the image's state" "$(known state)" CLEAN
	same "$1: the device's state" "$(field 0 state)" 2
	same "$1: the image's snapshot" "$name" "$(device)"
	[ -e "$truth/$name" ] || die "$1: nobody saw snapshot $name"
	equal $image "$truth/$name" || die "$1: the image differs from the snapshot"
	case $(tail -n 1 /etc/datto/dla/reload_backup-*) in
		"dbdctl reload-incremental '/dev/"*"' '$(field 0 cow_file)' 0") ;;
		*) die "$1: at boot is announced: $(tail -n 1 /etc/datto/dla/reload_backup-*)" ;;
	esac
	same "$1: COW files" "$(find $MOUNT/.datto-backup-files -type f -name 'cow-*' | wc -l)" 1
	step "$1: snapshot ${name%-*}: the image equals it in every byte"
}

# exits STATUS WORDS COMMAND...
exits() {
	local wanted=$1 words=$2 status=0 out
	shift 2
	out=$("$@" 2>&1) || status=$?
	[ $status = "$wanted" ] || die "'$*' ended with $status, expected $wanted: $out"
	case $out in *"$words"*) ;; *) die "'$*' said '$out', expected '$words'" ;; esac
}

# killed POINT: a run, killed as soon as the function POINT says so
killed() {
	local status=0 victim
	: >/run/said	# what the run before said
	node "$PROJECT/dist/datto-backup.mjs" "${options[@]}" --checkpoint 1 $ORIGIN $folder >/run/said 2>&1 &
	victim=$!
	until "$1" || ! kill -0 $victim 2>/dev/null; do nap 0.1; done
	kill -9 $victim 2>/dev/null || true
	wait $victim 2>/dev/null || status=$?
	exec 7<&-
	same "killed when $1: status ($(cat /run/said))" $status 137
	step "killed when $1: device $(field 0 state), image $(known state) $(known sequence)"
}
change() { dd if=/dev/urandom of=$MOUNT/changing bs=1M count=8 conv=notrunc,fsync status=none; }
# heals: the run after, which finishes what was begun and makes a backup of now
heals() {
	datto_backup --checkpoint 1 $ORIGIN $folder >/run/said 2>&1 || die "the run after a kill: $(cat /run/said)"
	proven "after the kill"
}
said() { text_of /run/said && [[ $text = *"$1"* ]]; }
has_snapshot() { said "is /dev/datto0"; }
compares_all() { said "comparing the copy"; }
is_updating() { know state && [ "$value" = UPDATING ]; }
# The snapshot is held open, so that the run cannot end it before it is killed.
is_complete() {
	[ -b /dev/datto0 ] || return 1
	[ -e /dev/fd/7 ] || exec 7</dev/datto0
	look_at_device && know state && [ "$value" = CLEAN ] && know sequence && [ "$value" = "${there%-*}" ] && know series && [ "$value" = "${there#*-}" ]
}

make_scratch
mkdir $folder
small=()
[ "$FS" = ext4 ] || small=(--unsupported)	# mkfs.xfs means the size
MOUNT_OPTIONS=nodiscard make_origin "${small[@]}"
load_module
exits 22 "on the volume itself" datto_backup $ORIGIN $MOUNT

noise $MOUNT/some "$(rounds 60 96)"
mkdir -p /mnt/small
mount -t tmpfs -o size="$(rounds 20m 32m)" small /mnt/small
exits 28 "bytes are free, expected" datto_backup $ORIGIN /mnt/small
[ ! -e /dev/datto0 ] || die "a run without space took a snapshot"
# Now there seems to be room: blocks of deleted files are not counted. They are not zeros, but for those that the COW file got.
rm $MOUNT/some
sync
exits 28 "no space is left" datto_backup $ORIGIN /mnt/small
same "the device after a run that found no space" "$(field 0 state)" 2
same "what it left" "$(cd /mnt/small && echo *)" "datto-backup.json datto-backup.lock"
dbdctl destroy 0
umount /mnt/small
fstrim $MOUNT	# zeros again, which are not copied
step "without space: refused, or given up, and no snapshot left to grow"

start_load 3 "$(rounds 6 16)"
start_watch
for round in 1 2 3; do
	manifest=()
	[ $round = 1 ] || manifest=(--manifest)
	datto_backup "${manifest[@]}" $ORIGIN $folder | sed 's/^/         /'
	proven "round $round"
done
tool datto-verify scrub $image >/dev/null || die "the manifest is not of the image"
equal $image.datto-previous-2 "$truth/2-$(known series)" || die "what is kept of snapshot 2 is not it"
step "the image before is kept, and the manifest is right"

# Not under the load: the first snapshot here outlives three runs, and on a slow machine the load would fill its COW file.
stop_load
for point in has_snapshot is_updating is_complete; do
	change
	killed $point
done
change
heals
dbdctl destroy 0
killed compares_all
heals
start_load 3 "$(rounds 6 16)"

stop_watch
cp --reflink=always $image $SCRATCH/good
dbdctl transition-to-snapshot -f 5 $MOUNT/.other 0
noise $MOUNT/much 16
dd if=/dev/urandom of=$MOUNT/much bs=1M count=16 conv=notrunc,fsync status=none
failed() { [ "$(field 0 error)" = -27 ]; }
until_true 60 "the failure of the device" failed
exits 4 "COW file full; --restart" datto_backup $ORIGIN $folder
equal $image $SCRATCH/good || die "the last good image is not what it was"
step "a full COW file: the image stays, and only --restart goes on"
start_watch
datto_backup --restart $ORIGIN $folder >/dev/null
proven "after --restart"
equal $image.replaced $SCRATCH/good || die "the replaced image is not the last good one"

stop_watch
stop_load
dbdctl destroy 0
umount $MOUNT
exits 22 "not mounted" datto_backup $ORIGIN $folder
unload_module
