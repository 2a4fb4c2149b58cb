# A machine that EFI firmware starts from a disk with GPT, an EFI system partition, a root filesystem and swap is backed up while it runs.
# A rescue system rebuilds its disk on an empty one, from which the machine then starts.
. "$PROJECT/tests/vm/guest/lib.sh"
ORIGIN=/dev/vda2
backup=$SCRATCH/backup
truth=$SCRATCH/truth	# what another program read of the newest snapshot
esp=/mnt/esp
files=$MOUNT/.datto-backup-files
SWAP=7d0c3f52-5f7f-4f0e-8a2e-2b4bb1a6c3d1
mkdir -p $esp $SCRATCH $MOUNT
modprobe -a vfat nls_ascii nls_cp437 fuse efivarfs
mountpoint -q /sys/firmware/efi/efivars || mount -t efivarfs efivarfs /sys/firmware/efi/efivars

go_on() { umount $esp 2>/dev/null || true; umount $SCRATCH 2>/dev/null || true; sync; echo "$1" >/out/next; exit 0; }
back_up() { tool datto-backup --cow-size 120 --keep latest9 --after $SCRATCH/read-snapshot $ORIGIN $backup >/run/said 2>&1; }
# table DISK: without what depends on its name and its size
table() { sfdisk --dump "$1" | sed "s|$1||; /^device:/d; /^last-lba:/d"; }
# esp_reads: requests that the system partition has had
esp_reads() { awk '{ print $1 }' /sys/block/vda/vda1/stat; }
kept_parts() { find $files -name 'part-*.gz' | wc -l; }

# What an installer does.
install() {
	local uuid dir options=()
	sfdisk -q /dev/vda <<-'TABLE'
		label: gpt
		size=64M, type=U, name="EFI \x22system\x22"
		size=400M, type=L
		size=64M, type=S
		type=H
	TABLE
	udevadm settle
	mkfs.vfat -F 32 -n SYSTEM /dev/vda1 >/dev/null
	mkswap -q -U $SWAP /dev/vda3
	mkfs.ext4 -q /dev/vda4
	[ "$FS" = ext4 ] || options=(-m 'bigtime=0,inobtcount=0')	# which GRUB does not know
	make_origin "${options[@]}"
	mkdir -p $MOUNT/{bin,sbin,proc,sys,dev,lower,tools,mnt,boot,etc/datto/dla}
	cp /bin/busybox $MOUNT/bin
	ln -s busybox $MOUNT/bin/sh
	install_programs "$PROJECT"/tests/vm/guest/root/{init,modprobe}
	cp "$EFI_KERNEL" $MOUNT/boot/vmlinuz
	cp "$EFI_INITRD" $MOUNT/boot/initrd
	uuid=$(blkid -s UUID -o value /dev/vda2)
	mount /dev/vda1 $esp
	mkdir -p $esp/EFI/debian
	cat >$esp/EFI/debian/grub.cfg <<-CONFIG
		search --no-floppy --fs-uuid --set=root $uuid
		linux /boot/vmlinuz $EFI_WORDS
		initrd /boot/initrd
		boot
	CONFIG
	grub-mkimage -O x86_64-efi -p /EFI/debian -o $esp/EFI/debian/grubx64.efi \
		part_gpt fat ext2 xfs search search_fs_uuid normal linux boot configfile
	efibootmgr --quiet --create --disk /dev/vda --part 1 --label debian --loader '\EFI\debian\grubx64.efi'
	umount $esp $MOUNT
	step "boot 1: a system is installed"
	go_on disk
}
install_programs() { cp "$@" $MOUNT/sbin; chmod 755 $MOUNT/sbin/*; }

run_and_back_up() {
	make_scratch
	mkdir $backup
	cat >$SCRATCH/read-snapshot <<-HOOK
		#!/bin/bash
		[ "\$DATTO_OUTCOME" = failed ] || dd if=/dev/datto0 of=$truth bs=1M iflag=direct oflag=direct status=none
	HOOK
	chmod 755 $SCRATCH/read-snapshot
	mount /dev/vda1 $esp
	load_module
	start_load
	back_up || die "first run: $(cat /run/said)"
	step "boot 2: $(tail -n 1 /run/said)"
	same "kept parts" "$(kept_parts)" 3
	echo changed >$esp/EFI/debian/changed
	echo changed >$MOUNT/changed
	back_up || die "second run: $(cat /run/said)"
	step "boot 2: $(tail -n 1 /run/said)"
	same "kept parts after a change" "$(kept_parts)" 3
	stop_load
	sum=$(sha256sum $files/disk.json) inode=$(stat -c %i $files/disk.json) reads=$(esp_reads)
	back_up || die "third run: $(cat /run/said)"
	same "the record, where nothing changed" "$(sha256sum $files/disk.json) $(stat -c %i $files/disk.json)" "$sum $inode"
	[ $(($(esp_reads) - reads)) -le 2 ] || die "the system partition was read again: $reads requests, then $(esp_reads)"
	! grep -i notice /run/said || die "$(cat /run/said)"
	table /dev/vda >$SCRATCH/table
	step "boot 2: three runs, the record of the disk is kept"
	go_on rescue
}

rebuild() {
	local entry status=0
	mount /dev/vdb $SCRATCH
	# As if the machine were another one.
	for entry in $(efibootmgr | sed -n 's/^Boot\(....\)\*\? debian.*/\1/p'); do efibootmgr --quiet --bootnum "$entry" --delete-bootnum; done
	tool datto-restore disk --dry-run $backup latest /dev/vdc >/run/said 2>&1 || die "dry run: $(cat /run/said)"
	cat /run/said
	[ ! -e /sys/block/vdc/vdc1 ] || die "a dry run made partitions"
	cmp -n 67108864 /dev/vdc /dev/zero || die "a dry run wrote"
	tool datto-restore disk --force $backup latest /dev/vdb >/run/said 2>&1 || status=$?
	same "onto the disk of the backups: status" $status 16
	tool datto-restore disk $backup latest /dev/vdc >/run/said 2>&1 || die "disk: $(cat /run/said)"
	cat /run/said
	udevadm settle
	same "the partition table" "$(table /dev/vdc)" "$(cat $SCRATCH/table)"
	cmp /dev/vdc2 $truth || die "the restored root filesystem is not its snapshot"
	mount /dev/vdc2 $MOUNT	# replays the log, where the filesystem leaves one when it is frozen
	umount $MOUNT
	check_device /dev/vdc2
	same "UUID of swap" "$(blkid -p -s UUID -o value /dev/vdc3)" $SWAP
	same "what has no backup here" "$(blkid -p -s TYPE -o value /dev/vdc4)" ""
	mount -o ro /dev/vdc1 $esp
	same "a file of the system partition" "$(cat $esp/EFI/debian/changed)" changed
	umount $esp
	matches "new entry, 'debian'" </run/said
	status=0
	tool datto-restore disk $backup latest /dev/vdc >/run/said 2>&1 || status=$?
	same "onto a disk that has partitions: status" $status 22
	step "boot 3: the disk is rebuilt"
	go_on replaced
}

start_again() {
	mount /dev/vdb $SCRATCH
	mount /dev/vda1 $esp
	same "a file of the restored system" "$(cat $MOUNT/changed)" changed
	same "size of the disk in MiB" $(($(blockdev --getsize64 /dev/vda) >> 20)) 704
	swapon -U $SWAP
	swapoff -U $SWAP
	load_module
	back_up || die "the restored system: $(cat /run/said)"
	step "boot 4: the machine started from the restored disk; $(tail -n 1 /run/said)"
	tool datto-backup targets --forget $backup $ORIGIN >/run/said 2>&1 || die "the end: $(cat /run/said)"
	same "what is left of the record" "$(find $files -name 'disk.json' -o -name 'part-*')" ""
}

case $BOOT in
	1) install ;;
	2) run_and_back_up ;;
	3) rebuild ;;
	4) start_again ;;
esac
