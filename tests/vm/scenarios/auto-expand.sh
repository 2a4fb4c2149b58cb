# A COW file grows by itself ahead of a fast writer, leaves the reserved space free, and goes on when there is space again.
. "$PROJECT/tests/vm/guest/lib.sh"
make_scratch
make_origin
load_module

size_mib() { echo $(($(field 0 cow_size_current) / 1048576)); }
free_mib() { echo $(($(stat -f -c '%a * %S' $MOUNT) / 1048576)); }
# overwrite SKIP COUNT: MiB of the file, as fast as the disk takes them
overwrite() { dd if=/dev/zero of=$MOUNT/file bs=1M seek="$1" count="$2" oflag=direct conv=notrunc status=none; }
# told STEP RESERVED: what /proc says, to the byte (docs/ABI.md, D2.11)
told() {
	local wanted
	wanted=$(printf '\t\t\t"auto_expand": {\n\t\t\t\t"step_size_mib": %s,\n\t\t\t\t"reserved_space_mib": %s\n\t\t\t},' "$1" "$2")
	same "D2.11" "$(sed -n '/auto_expand/,/}/p' $PROC)" "$wanted"
}
said() { dmesg | grep "$1" >/dev/null; }
has_grown() { [ "$(size_mib)" -gt "$1" ]; }

noise $MOUNT/file 100
dbdctl setup-snapshot -f 20 $ORIGIN $MOUNT/cow 0
copy_device /dev/datto0 $SCRATCH/before
refused "No such file or directory" dbdctl reconfigure-auto-expand 1 1
refused "Invalid argument" dbdctl reconfigure-auto-expand 1 7000
same "D2.11 absent at first" "$(field 0 auto_expand)" ""

# Off: nothing grows. Kept from growing by the reserve: the snapshot lives on, until its file is full.
dbdctl reconfigure-auto-expand 0 0
told 0 0
dbdctl reconfigure-auto-expand -r 100000 7 0
told 7 100000
overwrite 0 15
until_true 60 "the message" said "does not grow"
same "reserve: size" "$(size_mib)" 20
same "reserve: error" "$(field 0 error)" ""

# As soon as it may, it grows, also while the snapshot is open, and ahead of the writer.
exec 9</dev/datto0
began=$(date +%s%N)
dbdctl reconfigure-auto-expand -r 60 7 0
until_true 60 "growth" has_grown 20
overwrite 15 85
say "85 MiB overwritten in $((($(date +%s%N) - began) / 1000000)) ms, COW file of $(size_mib) MiB, $(free_mib) MiB free"
same "a fast writer: error" "$(field 0 error)" ""
[ "$(free_mib)" -ge 60 ] || die "only $(free_mib) MiB are free, 60 were reserved"
exec 9<&-
told 7 60
copy_device /dev/datto0 $SCRATCH/after

# What grew by itself is listed too.
dbdctl transition-to-incremental 0
same "D3.4 dropped" "$(field 0 auto_expand)" ""
refused "Invalid argument" dbdctl reconfigure-auto-expand 1 0
dbdctl transition-to-snapshot -f 20 $MOUNT/cow1 0
copy_device /dev/datto0 $SCRATCH/now
for image in before after; do
	update_img /dev/datto0 $MOUNT/cow $SCRATCH/$image
	equal $SCRATCH/$image $SCRATCH/now || die "the image made $image the growth differs from the next snapshot"
done
rm $MOUNT/cow
step "images made before and after the growth are right"

# Destroyed and unloaded in the midst of it.
for round in 1 2 3; do
	dbdctl reconfigure-auto-expand 1 0
	overwrite 0 40 &
	writer=$!
	sleep "0.$((round * 2))"
	dbdctl destroy 0
	wait $writer
	dbdctl setup-snapshot -f 10 $ORIGIN $MOUNT/cow 0
done
dbdctl reconfigure-auto-expand 1 0
overwrite 0 40 &
unload_module
wait
[ ! -e $MOUNT/cow ] || die "the COW file is left"
umount $MOUNT
check_device $ORIGIN
