#!/bin/bash
# What the machine of tests/packages/run.ts does at each of its boots; /out/boot has the number. /debs has the packages, of this version, of a
# later one, and of a newer kernel; there is no network.
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
# Succeeds if a command prints nothing, no error either.
none() {
	local printed
	printed=$("$@" 2>&1 || true)
	[ -z "$printed" ] || { echo "$printed"; return 1; }
}
trap 'say "FAILED: line $LINENO: $BASH_COMMAND"; end 1' ERR
next_boot() {
	dmesg >>/out/dmesg
	journalctl -b --no-pager >"/out/journal.$boot" 2>&1 || true
	sync
	systemctl reboot
	exit 0
}

apt=(apt-get -qq -y -o Dpkg::Use-Pty=0)

# newcomer SECTION: runs the commands that a section of INSTALL.md has, where its packages are, for this machine's volume
newcomer() {
	awk -v section="## $1" '$0 == section { in_section = 1; next } /^## / { in_section = 0 }
		in_section && /^```/ { in_code = !in_code; next } in_section && in_code' /out/INSTALL.md >/run/commands
	cat /run/commands
	[ "$(grep -c . /run/commands)" -le 5 ]
	echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/no-questions
	sed -i 's|/dev/sda1|/dev/vdb|' /run/commands
	(cd /debs && bash -e -x /run/commands)
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

has_module_for() { # RELEASE
	[ "$(dkms status dattobd -k "$1" | grep -c ': installed$')" = 1 ]
	{ lsinitramfs "/boot/initrd.img-$1" 2>/dev/null || lsinitrd "/boot/initrd.img-$1"; } | grep '/dattobd\.ko' >/run/found
}
version() { dpkg-query -W -f='${Version}' "$1"; }

case $boot in
	1)
		say "nothing is installed"
		if modinfo dattobd; then false; fi
		# An initramfs for this machine alone takes a tenth of the time.
		[ ! -d /etc/initramfs-tools ] || echo MODULES=dep >/etc/initramfs-tools/conf.d/this-machine
		[ ! -d /etc/dracut.conf.d ] || echo hostonly=yes >/etc/dracut.conf.d/any-machine.conf
		newcomer "A daily backup"
		say "installed; the module is loaded, and the first backup has run"
		grep -q '^dattobd ' /proc/modules
		modinfo -n dattobd | grep '/updates/'
		datto-backup check-config
		systemctl is-active datto-backup@data.timer
		datto-backup status --max-age 1h data
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
		backup incremental
		incremental
		old=$(version dattobd-dkms)
		while [ ! -e /run/calm ]; do write_some /data && rm /data/file* && echo written >>/run/load; done &
		"${apt[@]}" install /debs/next/*.deb
		touch /run/calm
		wait
		[ "$(wc -l </run/load)" -gt 1 ]
		[ "$(version dattobd-dkms)" != "$old" ]
		[ "$(version dattobd-utils)" = "$(version dattobd-dkms)" ]
		say "upgraded while both volumes were tracked and written to: the module stays, the new tools go on with it"
		both_go_on
		backup incremental
		incremental
		"${apt[@]}" --no-install-recommends install /debs/kernel/*.deb
		new=$(find /boot -name 'vmlinuz-*' ! -name "*-$(uname -r)" | sed 's/.*vmlinuz-//')
		has_module_for "$new"
		has_module_for "$(uname -r)"
		echo "$new" >/out/kernel
		say "another kernel is installed: $new after $(uname -r)"
		next_boot
		;;
	3)
		[ "$(uname -r)" = "$(cat /out/kernel)" ]
		say "the other kernel, the later version, and both go on"
		both_go_on
		[ "$(modinfo -n dattobd)" = "$(find "/lib/modules/$(uname -r)" -name 'dattobd.ko*')" ]
		backup incremental
		incremental
		none systemctl --failed --no-legend --plain
		dmesg >>/out/dmesg
		journalctl -b --no-pager >/out/journal.3 2>&1
		sync
		sleep 10	# a live checkpoint is made a second or two after the transition
		say "a power cut, while both volumes are written to"
		write_some /data
		dd if=/dev/urandom of=/data/unsynced bs=64k count=100 status=none
		echo b >/proc/sysrq-trigger
		;;
	4)
		say "after the power cut"
		dmesg | grep 'datto: '
		both_go_on
		[ "$(dmesg | grep -c 'datto: .*goes on tracking.* after a crash: ')" = 2 ]
		backup incremental
		incremental
		backup incremental
		dbdctl destroy 1
		say "the end: no module, no unit, no file"
		datto-backup end data
		rm /etc/dattobd/backup.d/data.conf
		systemctl stop datto-backup@data.timer
		systemctl daemon-reload
		"${apt[@]}" purge dattobd-dkms dattobd-utils libdattobd1 libdattobd-dev
		none grep '^dattobd ' /proc/modules
		none find / -xdev -name '*datto*' ! -path '/debs/*' ! -path '/backup/*' ! -path '/proc/*' ! -path '/sys/*' ! -path '/var/log/*' \
			! -path '/var/lib/systemd/timers/*' ! -path '/var/lib/apt/*'
		none systemctl list-unit-files --no-legend '*datto*'
		none systemctl list-units --no-legend --plain --type=service,timer '*datto*'
		end 0
		;;
esac
