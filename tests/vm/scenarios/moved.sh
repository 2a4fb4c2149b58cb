# While the origin is not mounted nothing guards its COW file. Whoever moves it, or makes another filesystem, is noticed:
# the device fails with words, or has right bytes. It never has wrong ones, and never harms what took the file's place.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module
told() { dmesg | matches "datto: minor 0: failed.*$1" || die "no message says '$1': $(dmesg | grep datto: | tail -3)"; }

# sound WHAT: the snapshot's bytes are right, or the device has failed and gives none
sound() {
	if [ "$(field 0 error)" = "" ]; then
		equal $SCRATCH/before /dev/datto0 || die "$1: the snapshot has wrong bytes"
		step "$1: every byte is right"
	else
		same "$1: error" "$(field 0 error)" -116
		refused "Input/output error" dd if=/dev/datto0 of=/dev/null bs=4k count=1 iflag=direct
		step "$1: the device has failed"
	fi
}

# extents FILE: first block in the file, first on the device, and number of each piece
extents() {
	filefrag -b4096 -v "$1" | sed -nE 's/^ *[0-9]+: +([0-9]+)\.\. *[0-9]+: +([0-9]+)\.\. *[0-9]+: +([0-9]+):.*/\1 \2 \3/p'
}

# take WHAT: somebody else gets blocks that were the COW file's (/run/where), writes to them, and finds there what was written.
# The taker leaves 4 MiB of the whole filesystem, what is kept for root and for ext4 itself included: it does not hang on
# the allocator's choice that it gets blocks of the COW file.
take() {
	local free at count
	sync -f $MOUNT
	[ "$FS" != ext4 ] || echo 0 >"/sys/fs/ext4/$(basename "$(readlink -f $ORIGIN)")/reserved_clusters"
	free=$(($(stat -f -c '%f * %S' $MOUNT) - (4 << 20)))
	fallocate -l $free $MOUNT/taker
	sync -f $MOUNT
	read -r at count < <(awk 'NR == FNR { from[NR] = $2; end[NR] = $2 + $3; n = NR; next }
		{ for (i = 1; i <= n; i++) {
			low = from[i] > $2 ? from[i] : $2; high = end[i] < $2 + $3 ? end[i] : $2 + $3
			if (high - low > most) { most = high - low; at = $1 + low - $2 } } }
		END { print at + 0, most + 0 }' /run/where <(extents $MOUNT/taker))
	[ "$count" -ge 64 ] || die "$1: $count blocks of the COW file were given to another file: this shows nothing"
	dd if=/dev/urandom of=/run/taken bs=4k count=64 status=none
	dd if=/run/taken of=$MOUNT/taker bs=4k seek="$at" conv=notrunc,fsync status=none
	sound "$1"
	echo 3 >/proc/sys/vm/drop_caches
	dd if=$MOUNT/taker bs=4k skip="$at" count=64 status=none | cmp - /run/taken || die "$1: what was written is not there"
	told "COW file were given to somebody else"
	rm $MOUNT/taker
}

if [ "$FS" = ext4 ]; then
	mkdir $MOUNT/names
	(cd $MOUNT/names && seq -f 'a-name-that-takes-some-room-%g' 3000 | xargs touch)
	noise $MOUNT/file 16
	# The COW file gets the only room that is left, at the end, and the filesystem shrinks to less than that.
	n=0
	while fallocate -l 16M $MOUNT/filler.$n 2>/dev/null; do n=$((n + 1)); done
	rm -f $MOUNT/filler.$n
	for filler in "$MOUNT"/filler.*; do echo "$(block_of "$filler") $filler"; done | sort -n | tail -n 9 | cut -d' ' -f2 | xargs rm
	sync -f $MOUNT
	dbdctl setup-snapshot -f 120 $ORIGIN $MOUNT/cow 0
	rm $MOUNT/filler.*
	copy_device /dev/datto0 $SCRATCH/before
	dd if=/dev/urandom of=$MOUNT/file bs=1M count=8 conv=notrunc,fsync status=none
	extents $MOUNT/cow >/run/where
	end=$(awk '$2 + $3 > end { end = $2 + $3 } END { print end }' /run/where)
	umount $MOUNT
	e2fsck -fyD $ORIGIN >/dev/null 2>&1 || [ $? = 1 ]
	sound "e2fsck -D"
	resize2fs $ORIGIN $(((end - 8000) * 4))K >/run/resize 2>&1 || die "$(cat /run/resize)"
	sound "shrunk"
	resize2fs $ORIGIN >/run/resize 2>&1 || die "$(cat /run/resize)"
	sound "grown again"
	mount $ORIGIN $MOUNT
	! extents $MOUNT/cow | cmp -s - /run/where || die "resize2fs did not move the COW file: this shows nothing"
	sound "mounted"
	take "resized, and its blocks given away"
	dbdctl destroy 0
	rm -f $MOUNT/cow
fi

# Another filesystem in its place, in snapshot mode.
dbdctl setup-snapshot -f 200 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before
noise $MOUNT/file 8
extents $MOUNT/cow >/run/where
umount $MOUNT
dmesg -C
[ "$FS" = ext4 ] && force=-F || force=-f
make_origin "$force"
sound "another filesystem"
take "another filesystem, and the blocks given to its files"
dbdctl destroy 0

# In incremental mode: there is no file that could take the index, so there is no next snapshot of the series.
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/cow 0
dbdctl transition-to-incremental 0
umount $MOUNT
make_origin "$force"
! dbdctl transition-to-snapshot -f 50 $MOUNT/cow1 0 2>/run/refused || die "a series went on in another filesystem"
[ ! -e $MOUNT/cow1 ] || die "a transition that was refused left a COW file"
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
unload_module
