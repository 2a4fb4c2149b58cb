# Backups by themselves: systemd, as init of a process namespace with what `make -C systemd install` installs and one file of
# configuration, runs datto-backup in its sandbox with the real module, time after time, and reports what fails.
. "$PROJECT/tests/vm/guest/lib.sh"
folder=$SCRATCH/data
image=$folder/volume.img
config=/etc/dattobd/backup.d/data.conf

make_scratch
mkdir -m 0700 $folder
small=()
[ "$FS" = ext4 ] || small=(--unsupported)	# mkfs.xfs means the size
make_origin "${small[@]}"
load_module
dd if=/dev/urandom of=$MOUNT/some bs=1M count=8 conv=fsync status=none
umount $SCRATCH	# the service has it mounted

make -s -C "$PROJECT/systemd" install
ln -sf "$PROJECT/dist/datto-backup.mjs" /usr/local/bin/datto-backup
echo "/dev/vdb $SCRATCH xfs defaults,noauto 0 0" >/etc/fstab
cat >/etc/dattobd/on-failure <<'END'
#!/bin/sh
echo "$1 $MONITOR_EXIT_STATUS" >>/run/failures
END
chmod 755 /etc/dattobd/on-failure
# A night is a minute here.
mkdir -p /run/systemd/system/datto-backup@.timer.d
printf '[Timer]\nRandomizedDelaySec=0\nAccuracySec=1s\n' >/run/systemd/system/datto-backup@.timer.d/soon.conf
{
	echo "volume = $ORIGIN"
	echo "folder = $folder"
	echo "schedule = *-*-* *:*:30"
	echo "limit = 5min"
	echo "cow-size = 32"
	echo "metrics = /run/data.prom"
} >$config
# One that does not run here.
printf '%s\n' 'volume = /dev/vdz' 'folder = /nowhere' 'schedule = 2098-01-01 03:00:00' >/etc/dattobd/backup.d/other.conf

# Of this machine's own units, nothing is started.
mkdir -p /run/systemd/system
printf '[Unit]\nRequires=timers.target\nAfter=timers.target\nAllowIsolate=yes\n' >/run/systemd/system/by-itself.target
for unit in systemd-journal-flush systemd-binfmt systemd-modules-load systemd-sysctl systemd-udevd systemd-udev-trigger \
	systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-sysusers systemd-update-utmp \
	apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim logrotate man-db systemd-tmpfiles-clean; do
	ln -sf /dev/null "/run/systemd/system/$unit.service"
	ln -sf /dev/null "/run/systemd/system/$unit.timer"
done
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
container=other unshare --pid --fork --mount --propagation slave --mount-proc \
	/lib/systemd/systemd --unit=by-itself.target --log-target=console >/dev/null 2>&1 &
init=$!
first() {
	local pid=
	read -r pid _ </proc/$init/task/$init/children || true
	echo "$pid"
}
# The guest's root is a chroot.
export SYSTEMD_IGNORE_CHROOT=1
inside() { nsenter --target "$(first)" --mount --pid --root --wd "$@"; }
has_children() { [ "$(first)" ]; }
until_true 60 "the first process of the namespace" has_children
property() { inside systemctl show --value --property="$2" "$1"; }
is_up() { [ "$(property datto-backup@data.timer ActiveState 2>/run/why)" = active ]; }
until_true 240 "the timer" is_up
same "the schedule" "$(property datto-backup@data.timer TimersCalendar | sed 's/.*OnCalendar=\([^;]*\) ;.*/\1/')" "*-*-* *:*:30"
same "the limit" "$(property datto-backup@data.service TimeoutStartUSec)" 5min
for path in $MOUNT $folder; do property datto-backup@data.service RequiresMountsFor | tr ' ' '\n' | matches "^$path\$"; done
status=0
inside datto-backup status other >/run/status || status=$?
same "the status of a backup that never ran: $(cat /run/status)" $status 2
matches "next run  *2098-01-01T03:00:00" </run/status
step "systemd runs, and the timers with it"

# sequence: the number of the snapshot that the record's last success made
sequence() { sed -n 's/.*"sequence": "\([0-9]*\)".*/\1/p' /var/lib/dattobd/backup/data.json 2>/dev/null; }
has_sequence() { [ "$(sequence || true)" -ge "$1" ] 2>/dev/null; }
is_idle() { [ "$(property datto-backup@data.service ActiveState)" = inactive ]; }
# good WHAT LEAST: a run by the timer that made snapshot LEAST, or a later one; then the timer is stopped
good() {
	until_true 300 "$1: a run" has_sequence "$2"
	inside systemctl stop datto-backup@data.timer
	until_true 300 "$1: the end of the last run" is_idle
	inside datto-backup status --max-age 1h data >/run/status || die "$1: $(cat /run/status)"
	inside sh -c "mount | grep -q '^/dev/vdb on $SCRATCH '" || die "$1: nobody mounted $SCRATCH"
	mount /dev/vdb $SCRATCH
	mkdir -p /mnt/check
	mount -o loop,ro,"$([ "$FS" = xfs ] && echo norecovery,nouuid || echo noload)" $image /mnt/check
	for file in some more; do [ ! -e $MOUNT/$file ] || cmp $MOUNT/$file /mnt/check/$file; done
	umount /mnt/check
	umount $SCRATCH
	same "$1: the metrics" "$(sed -n 's/^dattobd_backup_status{.*} //p' /run/data.prom)" 0
	step "$1: snapshot $(sequence), $(sed -n 's/.*last backup *//p' /run/status)"
}
good "the first run" 1
dd if=/dev/urandom of=$MOUNT/more bs=1M count=2 conv=fsync status=none
next=$(($(sequence) + 1))
inside systemctl start datto-backup@data.timer
good "a later run" $next
matches "incremental" </run/status
tail -n 1 /etc/datto/dla/reload_backup-* | matches "^dbdctl reload-incremental '/dev/"
inside datto-backup end data | matches "is destroyed"
[ ! -e "$(echo /etc/datto/dla/reload_backup-*)" ] || die "a script for the next boot is left"

echo "verfy = all" >>$config
inside systemctl start datto-backup@data.timer
has_failed() { [ -e /run/failures ]; }
until_true 300 "a run that fails" has_failed
same "the administrator's command" "$(head -n 1 /run/failures)" "data 22"
status=0
inside datto-backup status data >/run/status || status=$?
same "the status with a wrong file: $(cat /run/status)" $status 2
matches "data.conf:7: it has the unknown key 'verfy'" </run/status
step "a wrong file: its run fails, the administrator's command runs, and the status is unknown"

has_ended() { ! kill -0 $init 2>/dev/null; }
inside systemctl --no-block exit || true
until_true 120 "the end of systemd" has_ended
umount $MOUNT
unload_module
