// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asserts what the control node answers, row by row of docs/ABI.md, B. Numbers and layouts are
 * written down here once more: this is the view of a client built long ago. Labels: C1 and C6 are
 * steps of B.4; A is docs/FORMAT.md, E docs/STATES.md, Q docs/TESTING.md, the rest docs/ABI.md.
 *
 *	ioctls DEVICE FOLDER OTHER_FILE
 *
 * DEVICE is a block device whose filesystem is mounted read-write at FOLDER; OTHER_FILE a file on another filesystem. No
 * device may be tracked. Prints a line for each row that is not as it should be; ends with the number of these.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "requests.h"

static int ctl, wrong, rows;
static const char *device, *folder, *other;
static char long_path[5000];

/* The result of an ioctl: 0 or an errno. Also says if it was neither 0 nor -1 (B1.2). */
static int answer(unsigned long command, const void *argument)
{
	int r = ioctl(ctl, command, argument);

	if (r > 0) {
		printf("ioctl %lx: returned %d, expected 0 or -1\n", command, r);
		wrong++;
	}
	return r ? errno : 0;
}

static void expect(const char *row, int got, int wanted)
{
	rows++;
	if (got == wanted)
		return;
	printf("%s: got %d (%s), expected %d (%s)\n", row, got, strerror(got), wanted,
	       strerror(wanted));
	wrong++;
}

static void expect_true(const char *row, int holds)
{
	rows++;
	if (holds)
		return;
	printf("%s\n", row);
	wrong++;
}

static const char *in_folder(const char *name)
{
	static char path[4][4096];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, 4096, "%s/%s", folder, name);
	return p;
}

/* udev looks at a new node, which keeps it busy for a moment. */
static void settle(void)
{
	if (system("udevadm settle"))
		perror("udevadm settle");
}

static int setup(const char *bdev, const char *cow, unsigned long mib, unsigned int minor)
{
	struct setup s = { bdev, cow, mib, 0, minor };
	int got = answer(SETUP, &s);

	if (!got)
		settle();
	return got;
}

static int to_snap(const char *cow, unsigned long mib, unsigned int minor)
{
	struct to_snap t = { cow, mib, minor };
	int got = answer(TO_SNAP, &t);

	if (!got)
		settle();
	return got;
}

static int reconfigure(unsigned long bytes, unsigned int minor)
{
	struct reconfigure r = { bytes, minor };

	return answer(RECONFIGURE, &r);
}

static int expand(unsigned long long mib, unsigned int minor)
{
	struct expand e = { mib, minor };

	return answer(EXPAND, &e);
}

static int auto_expand(unsigned long long step, unsigned long long reserved, unsigned int minor)
{
	struct auto_expand e = { step, reserved, minor };

	return answer(AUTO_EXPAND, &e);
}

static int on_minor(unsigned long command, unsigned int minor)
{
	return answer(command, &minor);
}

static void check_commands(void)
{
	char unused[8272] = { 0 };

	expect("B1.1 unknown number", answer(0x40049163, unused), EINVAL);
	expect("B1.1 wrong size", answer(0x40209101, unused), EINVAL);
	expect("B1.1 wrong direction", answer(0x80049104, unused), EINVAL);
	expect("B1.1 other magic", answer(0x40048e04, unused), EINVAL);
	expect("B4.20 reload-snapshot without paths", answer(RELOAD_SNAP, unused), EINVAL);
	expect("B4.20 reload-incremental without paths", answer(RELOAD_INC, unused), EINVAL);
}

static void check_arguments(void)
{
	static const unsigned long with_pointer[] = { SETUP,	   DESTROY, TO_INC,
						      TO_SNAP,	   INFO,    GET_FREE,
						      RECONFIGURE, EXPAND,  AUTO_EXPAND };
	const char *bad = (const char *)8;

	for (unsigned int i = 0; i < sizeof(with_pointer) / sizeof(with_pointer[0]); i++)
		expect("C1 argument not readable", answer(with_pointer[i], bad), EFAULT);
	expect("B4.1 no bdev", setup(NULL, in_folder("c"), 0, 0), EINVAL);
	expect("B4.1 no bdev comes before a bad cow", setup(NULL, bad, 0, 0), EINVAL);
	expect("B4.1 bad bdev comes before no cow", setup(bad, NULL, 0, 0), EFAULT);
	expect("B4.1 no cow", setup(device, NULL, 0, 0), EINVAL);
	expect("B4.1 bdev unreadable", setup(bad, in_folder("c"), 0, 0), EFAULT);
	expect("B4.1 cow unreadable", setup(device, bad, 0, 0), EFAULT);
	expect("B1.6 bdev too long", setup(long_path, in_folder("c"), 0, 0), EINVAL);
	expect("B1.6 cow too long", setup(device, long_path, 0, 0), EINVAL);
	expect("B4.1 strings before the minor", setup(bad, in_folder("c"), 0, 1000), EFAULT);
	expect("B4.40 no cow", to_snap(NULL, 0, 0), EINVAL);
	expect("B4.40 cow unreadable", to_snap(bad, 0, 0), EFAULT);
	expect("B4.40 cow too long", to_snap(long_path, 0, 0), EINVAL);
	expect("B4.40 string before the minor", to_snap(bad, 0, 1000), EFAULT);
}

static void check_minors(void)
{
	struct info i = { .minor = 1000 };
	unsigned int max = 24;
	FILE *f = fopen("/sys/module/dattobd/parameters/max_snap_devices", "r");

	if (!f || fscanf(f, "%u", &max) != 1)
		expect_true("C23 max_snap_devices is not readable", 0);
	if (f)
		fclose(f);
	expect("B4.2 minor too high", setup(device, in_folder("c"), 0, max), EINVAL);
	expect("B4.2 minor before the base", setup("/dev/nothing", in_folder("c"), 0, 1000),
	       EINVAL);
	expect("DESTROY minor too high", on_minor(DESTROY, max), EINVAL);
	expect("DESTROY unused minor", on_minor(DESTROY, 0), ENOENT);
	expect("DESTROY highest unused minor", on_minor(DESTROY, max - 1), ENOENT);
	expect("B4.30 minor too high", on_minor(TO_INC, max), EINVAL);
	expect("B4.30 unused minor", on_minor(TO_INC, 0), ENOENT);
	expect("B4.41 minor too high", to_snap(in_folder("c"), 0, max), EINVAL);
	expect("B4.41 unused minor", to_snap(in_folder("c"), 0, 0), ENOENT);
	expect("RECONFIGURE minor too high", reconfigure(0, max), EINVAL);
	expect("RECONFIGURE unused minor", reconfigure(0, 0), ENOENT);
	expect("B4.60 minor too high", expand(0, max), EINVAL);
	expect("B4.60 unused minor", expand(0, 0), ENOENT);
	expect("AUTO_EXPAND minor too high", auto_expand(0, 0, max), EINVAL);
	expect("AUTO_EXPAND unused minor", auto_expand(0, 0, 0), ENOENT);
	expect("INFO minor too high", answer(INFO, &i), EINVAL);
	i.minor = 0;
	expect("INFO unused minor", answer(INFO, &i), ENOENT);
}

static void check_base(void)
{
	char component[300];

	memset(component, 'x', sizeof(component));
	memcpy(component, "/dev/", 5);
	component[299] = 0;
	expect("B4.3 missing", setup("/dev/nothing", in_folder("c"), 0, 0), ENOENT);
	expect("B4.3 folder", setup("/dev", in_folder("c"), 0, 0), ENOTBLK);
	expect("B4.3 file", setup("/etc/passwd", in_folder("c"), 0, 0), ENOTBLK);
	expect("B4.3 character device", setup("/dev/null", in_folder("c"), 0, 0), ENOTBLK);
	expect("B4.3 empty", setup("", in_folder("c"), 0, 0), EINVAL);
	expect("B4.3 long component", setup(component, in_folder("c"), 0, 0), ENAMETOOLONG);
	expect("B4.4 no filesystem mounted", setup("/dev/loop7", in_folder("c"), 0, 0), EINVAL);
	expect("B4.4 comes before the COW file", setup("/dev/loop7", in_folder("no/c"), 0, 0),
	       EINVAL);
}

/* @call makes a COW file at a path, as set-up or as transition; the device must be as it was after each failure. */
static void check_cow(const char *what, int (*call)(const char *cow, unsigned long mib))
{
	char row[100];

#define COW_ROW(text, got, wanted) \
	(snprintf(row, sizeof(row), "%s %s", what, text), expect(row, got, wanted))
	mkdir(in_folder("dir"), 0755);
	mknod(in_folder("fifo"), S_IFIFO | 0600, 0);
	COW_ROW("B4.8 parent missing", call(in_folder("no/c"), 5), ENOENT);
	COW_ROW("B4.8 folder", call(in_folder("dir"), 5), EISDIR);
	COW_ROW("B4.8 empty", call("", 5), EISDIR);
	COW_ROW("B4.9 not a regular file", call("/dev/null", 5), EINVAL);
	COW_ROW("B4.11 no space", call(in_folder("full"), 1 << 20), ENOSPC);
	expect_true("B4.11 a file that does not fit is removed",
		    access(in_folder("full"), F_OK) != 0);
	COW_ROW("B4.11 beyond the largest file", call(in_folder("huge"), 1ul << 43), EFBIG);
	expect_true("B4.11 a file too large is removed", access(in_folder("huge"), F_OK) != 0);
	close(open(in_folder("there"), O_CREAT | O_WRONLY, 0600));
	COW_ROW("B4.11 no space for a file that was there", call(in_folder("there"), 1 << 20),
		ENOSPC);
	expect_true("Q24 a file that was there stays", !unlink(in_folder("there")));
	COW_ROW("B4.13 other filesystem", call(other, 5), EINVAL);
	expect_true("Q24 a file on another filesystem is left alone", access(other, F_OK) == 0);
#undef COW_ROW
}

static int setup_cow(const char *cow, unsigned long mib)
{
	return setup(device, cow, mib, 0);
}

static int transition_cow(const char *cow, unsigned long mib)
{
	return to_snap(cow, mib, 0);
}

static struct info info_of(unsigned int minor)
{
	struct info i;

	memset(&i, 0xaa, sizeof(i));
	i.minor = minor;
	expect("INFO", answer(INFO, &i), 0);
	return i;
}

static unsigned long long size_of_device(void)
{
	int fd = open(device, O_RDONLY);
	off_t end = lseek(fd, 0, SEEK_END);

	close(fd);
	return end;
}

static void check_snapshot(void)
{
	unsigned int nr = 99;
	struct info i;
	struct stat st;
	int fd;

	expect("B4.2 set-up", setup(device, in_folder("cow.0"), 0, 0), 0);
	expect("B4.2 minor in use", setup(device, in_folder("c"), 0, 0), EBUSY);
	expect("B4.2 minor in use comes before the base",
	       setup("/dev/nothing", in_folder("c"), 0, 0), EBUSY);
	expect("B4.6 base already tracked", setup(device, in_folder("c"), 0, 1), EINVAL);
	expect("GET_FREE", answer(GET_FREE, &nr), 0);
	expect_true("GET_FREE is the lowest unused minor", nr == 1);
	expect("B4.42 not incremental", to_snap(in_folder("c"), 0, 0), EINVAL);
	i = info_of(0);
	expect_true("B3.7 state 3, no error", i.minor == 0 && i.state == 3 && i.error == 0);
	expect_true("B3.7 default cache size", i.cache_size == 314572800);
	expect_true("A7.6 default size", i.falloc_size == size_of_device() * 10 / 100);
	expect_true("B3.7 seqid 1, version 1", i.seqid == 1 && i.version == 1);
	expect_true("D2.2 path inside the filesystem", !strcmp(i.cow, "/cow.0"));
	expect_true("D2.3 block device", !strcmp(i.bdev, device));
	expect_true("A2.6 random v4 uuid", i.uuid[6] >> 4 == 4 && i.uuid[8] >> 6 == 2);
	expect_true("A1.3 mode 0000", !stat(in_folder("cow.0"), &st) && (st.st_mode & 07777) == 0);
	expect_true("A1.5 cannot be removed", unlink(in_folder("cow.0")) && errno == EPERM);
	expect_true("A1.5 cannot be truncated", truncate(in_folder("cow.0"), 0) && errno == EPERM);
	expect_true("A1.5 cannot be opened for writing",
		    open(in_folder("cow.0"), O_WRONLY) < 0 && errno == EPERM);
	fd = open(in_folder("cow.0"), O_RDONLY);
	expect_true("A1.5 can be read", fd >= 0);
	close(fd);
	fd = open("/dev/datto0", O_RDONLY);
	expect_true("C5 snapshot node", fd >= 0);
	expect("C6 busy comes first: TRANSITION_INC", on_minor(TO_INC, 0), EBUSY);
	expect("C6 busy comes first: TRANSITION_SNAP", to_snap(in_folder("c"), 0, 0), EBUSY);
	expect("C6 DESTROY", on_minor(DESTROY, 0), EBUSY);
	expect("C6 RECONFIGURE", reconfigure(1 << 20, 0), EBUSY);
	expect("B4.60 EXPAND while open", expand(1, 0), 0);
	expect("AUTO_EXPAND while open, values as they come", auto_expand(-1, -1, 0), 0);
	expect("AUTO_EXPAND off", auto_expand(0, 7, 0), 0);
	expect("INFO while open", answer(INFO, &i), 0);
	close(fd);
	expect("RECONFIGURE", reconfigure(1 << 20, 0), 0);
	expect_true("RECONFIGURE: bytes", info_of(0).cache_size == 1 << 20);
	expect("RECONFIGURE to the default", reconfigure(0, 0), 0);
	expect_true("RECONFIGURE: the default", info_of(0).cache_size == 314572800);
	expect("RECONFIGURE", reconfigure(777, 0), 0);
}

static void check_incremental(void)
{
	struct info before = info_of(0), i;

	expect("TRANSITION_INC", on_minor(TO_INC, 0), 0);
	expect_true("C5 node removed", access("/dev/datto0", F_OK) != 0);
	expect("B4.31 not a snapshot", on_minor(TO_INC, 0), EINVAL);
	expect("B4.61 not a snapshot", expand(1, 0), EINVAL);
	expect("AUTO_EXPAND not a snapshot", auto_expand(1, 0, 0), EINVAL);
	i = info_of(0);
	expect_true("E2.3 state 2", i.state == 2 && i.error == 0);
	expect_true("D3.2 size is the index",
		    i.falloc_size == 4096 + 32768 * ((size_of_device() / 4096 + 4095) / 4096));
	expect_true("E4.1 seqid kept", i.seqid == 1 && !memcmp(i.uuid, before.uuid, 16));
	expect_true("D3.3 cache limit kept", i.cache_size == 777);
	expect("RECONFIGURE of an incremental", reconfigure(778, 0), 0);
	expect_true("RECONFIGURE: shown", info_of(0).cache_size == 778);
	check_cow("TRANSITION_SNAP", transition_cow);
	expect("B4.44 the current COW file", to_snap(in_folder("cow.0"), 0, 0), EPERM);
	i = info_of(0);
	expect_true("B4.46 still incremental",
		    i.state == 2 && i.error == 0 && !strcmp(i.cow, "/cow.0"));
	expect("TRANSITION_SNAP", to_snap(in_folder("cow.1"), 0, 0), 0);
	i = info_of(0);
	expect_true("E2.4 state 3, seqid 2", i.state == 3 && i.error == 0 && i.seqid == 2);
	expect_true("D3.3 cache limit back to the default", i.cache_size == 314572800);
	expect_true("E2.4 same uuid", !memcmp(i.uuid, before.uuid, 16));
	expect_true("E2.4 new path", !strcmp(i.cow, "/cow.1"));
	expect_true("E2.4 the old file can be removed", !unlink(in_folder("cow.0")));
	expect("DESTROY", on_minor(DESTROY, 0), 0);
	expect_true("E2.11 the COW file is removed", access(in_folder("cow.1"), F_OK) != 0);
	expect("DESTROY again", on_minor(DESTROY, 0), ENOENT);
}

static void check_reuse(void)
{
	struct stat st;
	int fd = open(in_folder("old"), O_CREAT | O_WRONLY, 0640);

	expect_true("write", write(fd, "some content", 12) == 12);
	close(fd);
	expect("A1.2 an existing file is reused", setup(device, in_folder("old"), 7, 3), 0);
	expect_true("A1.3 its mode is kept",
		    !stat(in_folder("old"), &st) && (st.st_mode & 07777) == 0640);
	expect_true("A7.7 its size is as asked", st.st_size == 7 << 20);
	expect_true("B3.7 falloc_size", info_of(3).falloc_size == 7 << 20);
	expect("DESTROY of minor 3", on_minor(DESTROY, 3), 0);
	expect("B1.7 relative paths", chdir(folder) ? errno : setup(device, "relative", 5, 0), 0);
	expect_true("B1.7 in the caller's folder", access(in_folder("relative"), F_OK) == 0);
	expect("DESTROY", on_minor(DESTROY, 0), 0);
	expect_true("chdir", chdir("/") == 0);
	expect("remount read-only",
	       mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) ? errno : 0, 0);
	expect("B4.4 mounted read-only", setup(device, in_folder("c"), 0, 0), EINVAL);
	expect("remount read-write", mount(NULL, folder, NULL, MS_REMOUNT, NULL) ? errno : 0, 0);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: ioctls DEVICE FOLDER OTHER_FILE\n");
		return 255;
	}
	device = argv[1];
	folder = argv[2];
	other = argv[3];
	memset(long_path, 'x', sizeof(long_path) - 1);
	ctl = open("/dev/datto-ctl", O_RDONLY);
	if (ctl < 0) {
		perror("/dev/datto-ctl");
		return 255;
	}
	check_commands();
	check_arguments();
	check_minors();
	check_base();
	check_cow("SETUP", setup_cow);
	check_snapshot();
	check_incremental();
	check_reuse();
	printf("%d rows, %d wrong\n", rows, wrong);
	return wrong > 250 ? 250 : wrong;
}
