// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request to the control node that takes as long as it likes, and what others may do meanwhile:
 *
 *	waiters
 *
 * The slow one reads its argument from a page that nobody provides (userfaultfd). Neither another request nor a reader of
 * /proc/datto-info waits for it, and it must die by a signal. (Requests that wait for a device: the scenario "waits".)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "requests.h"

#define PAGES 4

static int ctl;

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

/* Memory whose first use waits for ever. */
static void *absent_pages(void)
{
	size_t bytes = PAGES * sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .range = { (uintptr_t)at, bytes },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		give_up("userfaultfd");
	return at;
}

static pid_t start(void (*run)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		run();
		_exit(0);
	}
	return pid;
}

static void slow_info(void)
{
	ioctl(ctl, INFO, absent_pages());
}

static void slow_setup(void)
{
	ioctl(ctl, SETUP, absent_pages());
}

static void short_request(void)
{
	int minor;

	ioctl(ctl, GET_FREE, &minor);
}

/* Is a process still there after @ms milliseconds at most? Reaps it if not. */
static int still_there(pid_t pid, int ms)
{
	struct timespec pause = { .tv_nsec = 10000000 };

	for (; ms > 0; ms -= 10) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		nanosleep(&pause, NULL);
	}
	return 1;
}

static void expect(const char *what, int holds)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void read_proc(void)
{
	char text[4096];
	int fd = open("/proc/datto-info", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
		give_up("/proc/datto-info");
	close(fd);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} slow_ones[] = { { "info", slow_info }, { "set-up", slow_setup } };
	unsigned int i;

	ctl = open("/dev/datto-ctl", O_RDONLY);
	if (ctl < 0)
		give_up("/dev/datto-ctl");
	for (i = 0; i < sizeof(slow_ones) / sizeof(*slow_ones); i++) {
		pid_t slow = start(slow_ones[i].run);

		printf("a slow %s\n", slow_ones[i].name);
		expect("the slow request ended by itself", still_there(slow, 1000));
		expect("another request waits for the slow one",
		       !still_there(start(short_request), 5000));
		read_proc();
		expect("the slow request ended by itself", still_there(slow, 100));
		kill(slow, SIGKILL);
		expect("the slow request cannot be killed", !still_there(slow, 5000));
	}
	return 0;
}
