# Restore points under load: each is restored as what another program read of its snapshot, also once points in the middle are removed.
. "$PROJECT/tests/vm/guest/lib.sh"
folder=$SCRATCH/backup
points=$folder/points
truth=$SCRATCH/truth
cow_mib=$(rounds 24 32)
datto_backup() { tool datto-backup --cow-size "$cow_mib" --hook-limit 20min --after "$SCRATCH/read-snapshot" "$@" $ORIGIN $folder; }
# names: of all points, the oldest first
names() {
	local file
	for file in "$points"/*-*.qcow2; do
		file=${file##*/}
		printf '%s\n' "${file%.qcow2}"
	done | sort -t - -k 2n | tr '\n' ' '
}

# restored POINT: the whole volume, as $SCRATCH/restored
restored() { tool datto-restore copy --force $folder "$1" $SCRATCH/restored >/run/said 2>&1; }

# proven WHAT: each point equals what was read of its snapshot when that was taken
proven() {
	local name
	for name in $(names); do
		restored "$name" || die "$1: $name: $(cat /run/said)"
		equal $SCRATCH/restored "$truth/${name#*-}" || die "$1: point $name differs from its snapshot"
	done
	rm -f $SCRATCH/restored
	same "$1: COW files" "$(find $MOUNT/.datto-backup-files -type f -name 'cow-*' | wc -l)" 1
	step "$1: $(names)equal their snapshots in every byte"
}

make_scratch
mkdir $folder $truth
small=()
[ "$FS" = ext4 ] || small=(--unsupported)	# mkfs.xfs means the size
MOUNT_OPTIONS=nodiscard make_origin "${small[@]}"
load_module
cat >$SCRATCH/read-snapshot <<HOOK
#!/bin/bash
[ "\$DATTO_OUTCOME" = taken ] || exit 0
number=\$(sed -n 's/.*"seq_id": \([0-9]*\).*/\1/p' $PROC)
exec dd if=/dev/datto0 of=$truth/\$number bs=1M status=none
HOOK
chmod 755 $SCRATCH/read-snapshot

start_load 3 "$(rounds 6 16)"
for _ in 1 2 3; do
	datto_backup --keep latest9 | sed 's/^/         /'
done
same "points" "$(names | wc -w)" 3
proven "three rounds"
stop_load

# Files of the newest point, mounted and copied, are those of what was read of its snapshot.
modprobe fuse
newest=$(names)
newest=${newest% } newest=${newest##* }
readonly_options=ro,noload
[ "$FS" = ext4 ] || readonly_options=ro,norecovery,nouuid
mkdir /run/truth /run/point
mount -o "loop,$readonly_options" "$truth/${newest#*-}" /run/truth
tool datto-restore mount $folder latest /run/point >/run/said 2>&1 || die "mount: $(cat /run/said)"
diff -r /run/truth /run/point || die "the mounted point differs"
umount /run/point
# serving: a server runs; one that has ended stays a zombie until the tools' process looks
serving() { pgrep -r D,R,S 'nbdfus|qemu-nbd' >/dev/null; }
for _ in {1..50}; do serving || break; nap 0.1; done
! serving || die "umount did not end the server"
file=$(find /run/truth -type f -size +100k -not -path '*/.datto-backup-files/*' -printf '/%P\n' -quit)
[ -n "$file" ] || die "there is no file to restore"
tool datto-restore file $folder "$newest" "$file" /run/restored >/run/said 2>&1 || die "file: $(cat /run/said)"
cmp "/run/truth$file" /run/restored || die "the restored file differs"
same "owner, mode and times of $file" "$(stat -c '%U %a %Y' /run/restored)" "$(stat -c '%U %a %Y' "/run/truth$file")"
! grep datto-restore /proc/self/mountinfo || die "something stays mounted"
umount /run/truth
step "files of a point, mounted and copied, are those of its snapshot"

# The newest two: the last one and the new one.
datto_backup --keep latest2 >/run/said 2>&1 || die "$(cat /run/said)"
grep -q '^removed: ' /run/said || die "nothing was removed: $(cat /run/said)"
same "points that are kept" "$(names | wc -w)" 2
proven "after the removal"

status=0
tool datto-backup $ORIGIN $folder >/run/said 2>&1 || status=$?
same "one image beside points: status ($(cat /run/said))" $status 22

# A killed run: its point does not exist, and the next run makes one of all that changed since.
dd if=/dev/urandom of=$MOUNT/changing bs=1M count="$(rounds 12 16)" conv=fsync status=none
node "$PROJECT/dist/datto-backup.mjs" --cow-size "$cow_mib" --keep latest2 $ORIGIN $folder >/run/said 2>&1 &
victim=$!
until grep -q 'copying the changed' /run/said || ! kill -0 $victim; do nap 0.1; done
kill -9 $victim || true
status=0
wait $victim 2>/dev/null || status=$?
same "the killed run: status ($(cat /run/said))" $status 137
datto_backup --keep latest3 >/run/said 2>&1 || die "the run after a kill: $(cat /run/said)"
# The snapshot of the killed run was finished first; no other program read that.
for name in $(names); do
	[ -e "$truth/${name#*-}" ] || continue
	restored "$name" || die "after the kill: $name: $(cat /run/said)"
	equal $SCRATCH/restored "$truth/${name#*-}" || die "after the kill: point $name differs from its snapshot"
done
[ -e "$truth/${name#*-}" ] || die "nobody read the newest snapshot"
step "after a kill: the newest point equals its snapshot in every byte"
dbdctl destroy 0
