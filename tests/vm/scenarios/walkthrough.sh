# Three rounds of the incremental backup of a busy volume; after each the image equals the snapshot in every byte.
. "$PROJECT/tests/vm/guest/lib.sh"
image=$SCRATCH/image
before=$SCRATCH/before
size=$(blockdev --getsize64 $ORIGIN)

# proof ROUND: the image equals the snapshot, and is a sound filesystem
proof() {
	"${COMPARE:-equal}" $image /dev/datto0 || die "round $1: the image differs from the snapshot"
	step "round $1: ${COMPARE:-images} finds no difference in $((size >> 20)) MiB"
	check_filesystem $image
	step "round $1: the image is a clean $FS after its log is replayed"
	load_alive || die "the load ended early"
}

make_scratch
make_origin
load_module
start_load "${LOAD_SCALE:-40}"
step "$FS of $((size >> 20)) MiB is mounted and being written to, on Linux $(uname -r)"
sleep 2

dbdctl setup-snapshot -f "${COW_MIB:-$(rounds 160 300)}" $ORIGIN $MOUNT/cow.1 0
step "round 1: setup-snapshot: /dev/datto0 is there"
began=$SECONDS
copy_device /dev/datto0 $image
step "round 1: full copy: $((size >> 20)) MiB in $((SECONDS - began)) s"
proof 1
say "         $(field 0 nr_changed_blocks) blocks of the origin changed since the snapshot"
dbdctl transition-to-incremental 0
step "round 1: transition-to-incremental"

for round in 2 3; do
	sleep 2
	old=$MOUNT/cow.$((round - 1))
	dbdctl transition-to-snapshot $MOUNT/cow.$round 0
	step "round $round: transition-to-snapshot"
	# Not before: a first round without shows that what is listed is little, and enough.
	[ "${TRIM:-yes}" = no ] || trim_on
	same "seq_id" "$(field 0 seq_id)" $round
	cp --reflink=always $image $before
	began=$SECONDS
	update_img_tool /dev/datto0 "$old" $image | sed 's/^/         /'
	changed=$(images listed "$old" "$size")
	step "round $round: update-img: $changed blocks, $((changed * 4 / 1024)) MiB of $((size >> 20)) MiB, in $((SECONDS - began)) s"
	[ "$changed" -gt 0 ] || die "round $round: nothing is listed as changed, under load"
	proof $round
	say "         $(images covers $before $image "$old")"
	step "round $round: every block that differs between the two images is listed in the old COW file"
	rm "$old" $before
	dbdctl transition-to-incremental 0
	step "round $round: transition-to-incremental"
	same "error" "$(field 0 error)" ""
done

stop_load
dbdctl destroy 0
umount $MOUNT
check_device $ORIGIN
step "destroy; the origin is a clean $FS"
unload_module
