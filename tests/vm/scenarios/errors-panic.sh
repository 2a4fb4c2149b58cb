# The module's own look at a damaged ext4 harms nobody, even where the superblock asks for a panic at the first error: a reload, the
# look for reload scripts at boot, and the question which blocks of a snapshot are free end with a message, and write nothing.
. "$PROJECT/tests/vm/guest/lib.sh"

# The kernel's log may hold the errors that are wanted here, and no others.
dmesg -n 1
forget_wanted_errors() {
	local rest
	rest=$(grep -v "EXT4-fs error (device \(vda\|datto0\)): \($1\)" /out/dmesg)
	echo "$rest" >/out/dmesg
}
# unharmed WHAT WANTED: the volume is as it was to the byte, and can be written to again
unharmed() {
	same "$1: the volume" "$(checksum $ORIGIN)" "$2"
	same "$1: read-only" "$(blockdev --getro $ORIGIN)" 0
}

make_origin
umount $MOUNT
tune2fs -e panic $ORIGIN >/dev/null
mount $ORIGIN $MOUNT
load_module
mkdir $MOUNT/folder $MOUNT/etc
dbdctl setup-snapshot -f 100 $ORIGIN $MOUNT/folder/cow 0
dbdctl transition-to-incremental 0
umount $MOUNT
unload_module
# As a crash may leave it: the names are on disk, what they stand for is still in the journal.
debugfs -w -R "clri /folder" $ORIGIN 2>/dev/null
debugfs -w -R "clri /etc" $ORIGIN 2>/dev/null
blockdev --flushbufs $ORIGIN
damaged=$(checksum $ORIGIN)
load_module

dbdctl reload-incremental $ORIGIN /folder/cow 0
[ -n "$(field 0 error)" ] || die "a COW file in a folder that cannot be read was taken up"
dmesg | matches "datto: minor 0: .*full backup" || die "nothing in the kernel's log"
dmesg | matches "EXT4-fs error (device vda): .*lookup" || die "the damage was not met by the reload"
unharmed "reload" "$damaged"
dbdctl destroy 0
unharmed "destroy" "$damaged"
step "a reload met the damage"

errors=$(dmesg | grep -c "EXT4-fs error")
sh "$PROJECT/boot/datto-reload" $ORIGIN ext4
[ "$(dmesg | grep -c "EXT4-fs error")" -gt "$errors" ] || die "the damage was not met at boot"
unharmed "datto-reload" "$damaged"
# A device that was read-only stays so.
blockdev --setro $ORIGIN
dbdctl reload-incremental $ORIGIN /folder/cow 0
dbdctl destroy 0
same "a read-only device after a reload" "$(blockdev --getro $ORIGIN)" 1
blockdev --setrw $ORIGIN
step "the look for reload scripts met the damage"

# A bitmap that only the snapshot's mount is sure to read; the volume itself is mounted to go on.
make_ext4 $ORIGIN
tune2fs -e panic $ORIGIN >/dev/null
bitmap=$(dumpe2fs $ORIGIN 2>/dev/null | sed -n 's/.*Block bitmap at \([0-9]*\).*/\1/p' | tail -1)
write_raw $ORIGIN "$bitmap" 1
mount -o errors=continue $ORIGIN $MOUNT
dbdctl setup-snapshot -f 40 $ORIGIN $MOUNT/cow 0
dbdctl expand-cow-file 8 0
dmesg | matches "EXT4-fs error (device datto0): .*bitmap" || die "the damage was not met in the snapshot"
dmesg | matches "which blocks were free is not known" || die "the damage is no reason not to know what is free"
same "after the growth: error" "$(field 0 error)" ""
dbdctl destroy 0
umount $MOUNT
unload_module
sleep 0.5
forget_wanted_errors 'ext4_lookup\|ext4_validate_block_bitmap\|__ext4_find_entry\|ext4_mb_load_buddy\|__ext4_iget\|ext4_iget'
