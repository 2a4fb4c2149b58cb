#!/bin/bash
# What the machine of tests/packages/run.ts does at each of its boots; /out/boot has the number. All programs are the packages'.
set -Eeuo pipefail
export HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
read -r boot </out/boot
exec >>/out/log 2>&1

say() { echo "[boot $boot, $(cut -d. -f1 /proc/uptime) s] $*"; }
end() {
	echo "$1" >/out/status
	dmesg >>/out/dmesg
	journalctl -b --no-pager >/out/journal 2>&1 || true
	systemctl reboot --force
}
# Succeeds if a command prints nothing.
none() {
	local printed
	printed=$("$@" || true)
	[ -z "$printed" ] || { echo "$printed"; return 1; }
}
trap 'say "FAILED: line $LINENO: $BASH_COMMAND"; end 1' ERR
next_boot() {
	dmesg >>/out/dmesg
	sync
	systemctl reboot
	exit 0
}

write_some() { dd if=/dev/urandom of="$1/file$RANDOM" bs=64k count=$((20 + RANDOM % 20)) status=none && sync; }

# /data is backed up as an administrator has it: one file in /etc/dattobd/backup.d.
# backup KIND: a run by systemd; then the image has every byte of the volume's files
backup() {
	write_some /data
	if ! systemctl start datto-backup@data.service; then
		journalctl -b --no-pager -u datto-backup@data.service
		return 1
	fi
	datto-backup status --max-age 1h data | tee /run/backup-status
	grep "last backup.*$1" /run/backup-status
	mount -o loop,ro,noload /backup/data/volume.img /mnt
	diff -r -x .datto-backup-files -x lost+found /data /mnt
	umount /mnt
	say "/data: $1, every byte is right"
}

# The root volume is tracked by hand: dbdctl and update-img alone.
turn=0
incremental() {
	turn=$((turn + 1))
	local old new=/.datto-$boot-$turn
	old=$(cat /backup/root.cow)
	write_some /
	dbdctl transition-to-snapshot "$new" 1
	write_some /
	update-img /dev/datto1 "/$old" /backup/root.img
	cmp /dev/datto1 /backup/root.img
	rm -f "/$old"
	dbdctl transition-to-incremental 1
	echo "${new#/}" >/backup/root.cow
	echo "dbdctl reload-incremental /dev/vda $new 1" >/etc/datto/dla/reload_1
	sync
	say "/: incremental, every byte is right"
}
both_go_on() {
	[ "$(grep -c '"minor"' /proc/datto-info)" = 2 ]
	none grep '"error": -' /proc/datto-info
}
is_hidden() { # DEVICE MINOR: nobody takes the snapshot for the volume
	udevadm settle
	[ "$(findfs "UUID=$(blkid -o value -s UUID "$1")")" = "$1" ]
	none find /dev/disk -lname "*/datto$2"
	udevadm info "/dev/datto$2" | grep -x 'E: SYSTEMD_READY=0'
}

case $boot in
	1)
		say "the module is loaded at boot"
		grep -q '^dattobd ' /proc/modules
		modinfo -n dattobd | grep '/updates/'
		dbdctl status
		mkdir -m 0700 /backup/data
		printf '%s = %s\n' volume /dev/vdb folder /backup/data verify all >/etc/dattobd/backup.d/data.conf
		datto-backup check-config
		systemctl daemon-reload
		systemctl start datto-backup@data.timer
		systemctl is-active datto-backup@data.timer
		backup full
		backup incremental
		dbdctl setup-snapshot -f 100 /dev/vda /.datto 1
		write_some /
		dd if=/dev/datto1 of=/backup/root.img bs=1M conv=sparse status=none
		echo .datto >/backup/root.cow
		is_hidden /dev/vda 1
		dbdctl transition-to-incremental 1
		say "/: full"
		incremental
		next_boot
		;;
	2)
		say "the initramfs and the unit went on with both"
		both_go_on
		systemctl is-active datto-reload.service
		systemctl is-active datto-backup@data.timer
		dmesg | grep -i datto
		backup incremental
		incremental
		none systemctl --failed --no-legend --plain
		end 0
		;;
esac
