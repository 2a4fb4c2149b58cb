# Where the log of an XFS ends is known to the sector, whatever log it is and however often it was written round: the module compares
# what it saw written with what it finds at each mount, and the core with xfs_logprint, on clean and on dirty logs.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
load_module
images=()
wrapped=0
# Little is changed at each turn, and all of it comes to the log.
churn() {
	"$PROGRAMS/names" $MOUNT 32 60 "$1"
	rm -rf $MOUNT/d.*
	sync -f $MOUNT
}
head_of() { xfs_logprint -t $ORIGIN 2>/dev/null | sed -nE 's/.*head: ([0-9]+).*/\1/p'; }

while read -r name options; do
	# shellcheck disable=SC2086
	mkfs.xfs -q -f --unsupported $options $ORIGIN 2>/dev/null
	mkdir -p $MOUNT
	mount $ORIGIN $MOUNT
	dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
	dbdctl transition-to-incremental 0
	before=0
	for n in $(seq 5); do
		churn "$n"
		if [ "$n" = 3 ]; then
			copy_device $ORIGIN $SCRATCH/"$name".dirty
			images+=("$SCRATCH/$name.dirty")
		fi
		umount $MOUNT
		at=$(head_of)
		[ "$at" -ge "$before" ] || wrapped=$((wrapped + 1))
		before=$at
		mount $ORIGIN $MOUNT
		echo "$n" >$MOUNT/turn
		sync -f $MOUNT
		same "$name, turn $n: error" "$(field 0 error)" ""
	done
	dbdctl destroy 0
	umount $MOUNT
	copy_device $ORIGIN $SCRATCH/"$name".clean
	images+=("$SCRATCH/$name.clean")
	step "$name: the log's end is where it was written, at last at $at"
done < <(head -n "$(rounds 2 4)" <<'OPTIONS'
plain -m reflink=0 -l size=4m
stripes -m reflink=0 -l size=4m,su=32k
large-sectors -m reflink=0 -s size=4096 -l size=7m
first-version -m crc=0,finobt=0 -l version=1,size=4m
OPTIONS
)
[ $wrapped -ge "$(rounds 1 3)" ] || die "the logs were written round $wrapped times: this shows little"
node --import "$PROJECT/node_modules/tsx/dist/loader.mjs" "$PROJECT/tests/core/log-end.ts" "${images[@]}"
unload_module
