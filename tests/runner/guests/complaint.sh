# The kernel log as a kernel with a fault has it; the script itself passes.
echo "<4>WARNING: CPU: 0 PID: 1 at fs/nowhere.c:1" >/dev/kmsg
