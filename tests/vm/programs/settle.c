// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits until udev has looked at all that is new, as `udevadm settle` does, which takes ten times as long to start. udev answers a
 * ping when it has taken up all earlier events of the kernel; then a file is there as long as it is busy. Where udev does not answer so,
 * udevadm is asked.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* As systemd's tools send it to udev. */
struct message {
	char version[16];
	unsigned int magic;
	int type;
	union {
		int number;
		char text[256];
	} value;
};

enum { LAST_MESSAGE = 0, PING = 7 };
#define MAGIC 0xdead1deau

#define LIMIT_SECONDS 120

static int send_message(int udev, int type)
{
	struct message message = { .version = "udev-252", .magic = MAGIC, .type = type };

	return send(udev, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message) ? 0 : -1;
}

/* Returns 0 when udev has answered: it ends the connection then. */
static int ping(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/udev/control" };
	int udev = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct pollfd answer = { .fd = udev, .events = POLLIN };
	char byte;

	if (udev < 0 || connect(udev, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	if (send_message(udev, PING) || send_message(udev, LAST_MESSAGE))
		return -1;
	if (poll(&answer, 1, LIMIT_SECONDS * 1000) != 1 || recv(udev, &byte, 1, 0) != 0)
		return -1;
	return close(udev);
}

int main(void)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };

	if (!ping())
		for (int i = 0; i < LIMIT_SECONDS * 100; i++) {
			if (access("/run/udev/queue", F_OK))
				return 0;
			nanosleep(&moment, NULL);
		}
	execlp("udevadm", "udevadm", "settle", NULL);
	perror("udevadm");
	return 1;
}
