# The engine alone: every check is in engine_test.c, which is the module that is loaded here.
set -u
insmod "$DATTOBD_KO"
status=$?
dmesg | grep -E 'engine-test:|datto:'
[ $status = 0 ] || exit $status
rmmod dattobd || exit 1
if [ -e /sys/kernel/debug/kmemleak ] && echo scan >/sys/kernel/debug/kmemleak 2>/dev/null; then
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	[ ! -s /sys/kernel/debug/kmemleak ] || { head -30 /sys/kernel/debug/kmemleak; exit 1; }
fi
