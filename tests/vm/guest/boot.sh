#!/bin/bash
# Runs inside the guest: brings up udev, runs the scenario that /out/job names, stores its status, powers off.
# A guest with a root of its own is ended by root/init, whose child this is; a script that wants another boot has no status yet.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export LC_ALL=C	# of any other locale, each program that starts reads fifteen files
set -a
. /out/job
[ -z "$ROOT_FS" ] || export SYSTEMD_IGNORE_CHROOT=1	# for udevadm
# Of AVX, which OpenSSL takes where it is, an emulated CPU makes a call for each instruction: hashing is three times as fast without.
[ -z "$EMULATED" ] || export OPENSSL_ia32cap=0
set +a
B=/bin/busybox	# one program for all: each one that is new here takes a tenth of a second
dmesg --follow >>/out/dmesg 2>/dev/null &
if [ -n "$MODULES_ROOT" ]; then
	$B mkdir -p /lib/modules
	$B mount -o bind "$MODULES_ROOT/lib/modules" /lib/modules
fi
$B ln -sfn /proc/self/fd /dev/fd
$B ip link set lo up
$B mkdir -p /run/udev /run/lock
# A guest that boots often looks at new devices only.
if /lib/systemd/systemd-udevd --daemon 2>/dev/null && [ -z "$ROOT_FS" ]; then
	udevadm trigger --action=add --subsystem-match=block --subsystem-match=misc	# other hardware is not used
	udevadm settle
fi
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null

# A guest that is late leaves behind what runs, and where it is blocked, before the host ends it.
last_words() {
	until [ -e /out/late ]; do sleep 5; done
	ps -eo pid,ppid,stat,wchan:32,args >/out/processes
	echo w >/proc/sysrq-trigger
	echo l >/proc/sysrq-trigger
	sleep 1
	touch /out/said
}
last_words &

# times WORD: see tests/vm/times.ts
times() {
	local uptime cpus
	read -r uptime _ </proc/uptime
	read -r cpus </proc/stat
	echo "$1 $uptime $cpus" >>/out/times
}
times begin
(bash "$SCENARIO_SCRIPT") >>/out/log 2>&1 </dev/null
status=$?
times end
[ -e /out/next ] || echo $status >/out/status
sleep 0.2	# the last lines of the kernel's log
sync -f /out
[ -z "$ROOT_FS" ] || exit
umount /dev/vdb 2>/dev/null	# the disk of the images: a filesystem that is still there may write to it after it went down
# One command, all of it read already: the script's own file goes away before the power does.
{ echo o >/proc/sysrq-trigger; while :; do :; done; }
