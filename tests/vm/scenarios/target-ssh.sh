# Restore points in a folder of another machine, through an sshd on loopback, under load and with kills.
. "$PROJECT/tests/vm/guest/targets.sh"
SERVED=$SCRATCH/served
TARGET=ssh:localhost:$SERVED
ENGINE=(ssh qemu-nbd)
start_server() {
	mkdir -p $SERVED /root/.ssh /run/sshd
	rm -f /root/.ssh/*
	printf '#!/bin/sh\nexec node %q "$@"\n' "$PROJECT/dist/datto-receive.mjs" >/usr/local/bin/datto-receive
	chmod 755 /usr/local/bin/datto-receive
	ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
	ssh-keygen -q -t ed25519 -N '' -f /run/sshd/key
	cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
	printf 'StrictHostKeyChecking accept-new\nLogLevel ERROR\n' >/root/.ssh/config
	printf '%s\n' 'ListenAddress 127.0.0.1' 'HostKey /run/sshd/key' 'PidFile none' 'UsePAM no' 'StrictModes no' 'PermitRootLogin yes' \
		'MaxStartups 100' >/run/sshd/config
	/usr/sbin/sshd -f /run/sshd/config
}
flip_stored() { flip_qcow2 $SERVED; }
prepare
start_server
check_target
