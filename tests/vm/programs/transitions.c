// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random transitions of one device under I/O load, held against a small model of what must be:
 *
 *	transitions DEVICE FSTYPE FOLDER IMAGE MODULE SECONDS SEED LOAD_PROGRAM
 *
 * DEVICE has a filesystem that nobody has mounted, FOLDER is where to, IMAGE becomes a copy of the device on another
 * filesystem that follows each snapshot by means of the COW file's index, MODULE is not loaded. After each step the errno,
 * the state and the error are compared with the model's, and where there is a snapshot, samples of it with the image. Ends
 * with 0, or with 1 and one line at the first difference.
 */
#include "blocks.h"
#include "requests.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { COW_MIB = 96, MINOR = 0, STEP_LIMIT_SECONDS = 400, SAMPLES = 24 };
#define SNAPSHOT_NODE "/dev/datto0"

static const char *device, *fstype, *folder, *image, *module, *load_program;
static uint64_t seed, nr_blocks;
static unsigned int step;
static char doing[200];

enum mount_state { OUT, RO, RW };
enum mode { NONE, INC, SNAP };
/* Whether the COW file of a device that went away can be taken up again. */
enum clean { NO, MAYBE, YES };

static struct {
	int loaded, pending, failed,
		held; /* held: file descriptor of the snapshot, 0 if it is not open */
	enum mount_state mount;
	enum mode mode;
	unsigned int cow; /* number in the name of the COW file */
	int grown; /* its COW file may have grown, into space that was free */
	int image; /* the image holds what the series' last snapshot held */
	pid_t load;
	enum clean announced; /* what to expect of a device that is pending */
	struct {
		enum mode mode;
		enum clean clean;
	} left; /* the last COW file that was kept */
} m;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *format, ...)
{
	va_list args;

	printf("step %u, %s: ", step, doing);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (m.load)
		kill(m.load, SIGKILL);
	exit(1);
}

static void on_alarm(int signal)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY);

	(void)signal;
	if (fd >= 0 && write(fd, "w", 1) != 1)
		_exit(1);
	wrong("it hangs");
}

static void run(const char *format, ...)
{
	char command[600];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		wrong("'%s' failed", command);
}

/* udev looks at a new node, which keeps it busy for a moment; on a slow kernel it may give no answer for once. */
static void settle(void)
{
	run("udevadm settle || { sleep 2; udevadm settle; }");
}

static int answer(unsigned long command, void *argument)
{
	int fd = open("/dev/datto-ctl", O_RDONLY | O_CLOEXEC), result, error;

	if (fd < 0)
		return errno;
	result = ioctl(fd, command, argument);
	error = errno;
	close(fd);
	return result ? error : 0;
}

static const char *cow_path(unsigned int number, int on_filesystem)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/cow.%u", on_filesystem ? "" : folder, number);
	return path;
}

static void expect(int got, int wanted)
{
	if (got != wanted)
		wrong("got %d (%s), expected %d (%s)", got, strerror(got), wanted,
		      strerror(wanted));
}

/* Load */

/* Is the load's working folder this one? */
static int works_in(const char *path)
{
	char link[40], folder_of_it[300];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/cwd", m.load);
	n = readlink(link, folder_of_it, sizeof(folder_of_it) - 1);
	return n > 0 && (size_t)n == strlen(path) && !memcmp(folder_of_it, path, n);
}

static void start_load(void)
{
	char path[300], number[20];

	if (m.load || m.mount != RW)
		return;
	snprintf(path, sizeof(path), "%s/load", folder);
	mkdir(path, 0755);
	snprintf(number, sizeof(number), "%u", any(1 << 30));
	m.load = fork();
	if (m.load == 0) {
		execl(load_program, load_program, path, "24", "120", number, NULL);
		_exit(127);
	}
	while (!waitpid(m.load, NULL, WNOHANG) && !works_in(path))
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
}

static void stop_load(void)
{
	int status;

	if (!m.load)
		return;
	kill(m.load, SIGTERM);
	waitpid(m.load, &status, 0);
	m.load = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) /* it had only just begun */
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		wrong("the load ended with status %#x", status);
}

/* The value of a key of the one device in /proc/datto-info, or `absent`. */
static long in_proc(const char *key, long absent)
{
	char line[5000], quoted[40];
	FILE *f = fopen("/proc/datto-info", "r");
	long value = absent;

	if (!f)
		wrong("/proc/datto-info: %s", strerror(errno));
	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	while (fgets(line, sizeof(line), f)) {
		char *found = strstr(line, quoted);

		if (found)
			value = strtol(found + strlen(quoted), NULL, 10);
	}
	fclose(f);
	return value;
}

static int error_of_device(void)
{
	return (int)in_proc("error", 0);
}

/* The image */

/* Returns 0 if the device failed, as it may: its COW file is full. */
static int read_snapshot(int fd, void *to, size_t bytes, uint64_t offset)
{
	ssize_t n = pread(fd, to, bytes, offset);

	if (n == (ssize_t)bytes)
		return 1;
	if (error_of_device() != -EFBIG)
		wrong("reading the snapshot at block %llu: %zd, %s",
		      (unsigned long long)offset / BLOCK, n, strerror(errno));
	return 0;
}

static int is_zero(const char *block)
{
	return !block[0] && !memcmp(block, block + 1, BLOCK - 1);
}

/* Space that was free reads as zeros once the COW file has grown into it. */
static void compare(uint64_t block, uint64_t count)
{
	int from = open_or_give_up(SNAPSHOT_NODE, O_RDONLY | O_DIRECT),
	    to = open_or_give_up(image, O_RDONLY | O_DIRECT);
	char *a = pages(MIB), *b = pages(MIB);
	uint64_t end = block + count, n;

	for (; block < end; block += n) {
		n = end - block < MIB_BLOCKS ? end - block : MIB_BLOCKS;
		if (!read_snapshot(from, a, n * BLOCK, block * BLOCK))
			break;
		read_all(to, image, b, n * BLOCK, block * BLOCK);
		for (uint64_t i = 0; i < n; i++) {
			if (memcmp(a + i * BLOCK, b + i * BLOCK, BLOCK) &&
			    !(m.grown && is_zero(a + i * BLOCK)))
				wrong("the snapshot and its image differ at block %llu",
				      (unsigned long long)(block + i));
		}
	}
	close(from);
	close(to);
	free(a);
	free(b);
}

/* Copies the blocks that an index lists from the snapshot to the image; all of them if there is no index. */
static void copy_listed(const char *cow)
{
	uint64_t *index = calloc(nr_blocks, sizeof(*index)), listed = 0, at, n;
	int from = open_or_give_up(SNAPSHOT_NODE, O_RDONLY | O_DIRECT),
	    to = open_or_give_up(image, O_RDWR), fd;
	char *piece = pages(MIB);

	if (cow) {
		fd = open_or_give_up(cow, O_RDONLY);
		read_all(fd, cow, index, nr_blocks * sizeof(*index), BLOCK);
		close(fd);
	}
	m.image = 0;
	for (at = 0; at < nr_blocks; at += n ? n : 1) {
		for (n = 0; at + n < nr_blocks && n < MIB_BLOCKS && (!cow || index[at + n]); n++)
			;
		if (n && !read_snapshot(from, piece, n * BLOCK, at * BLOCK))
			break;
		if (pwrite(to, piece, n * BLOCK, at * BLOCK) != (ssize_t)(n * BLOCK))
			give_up("cannot write", image);
		listed += n;
	}
	if (fsync(to))
		give_up("cannot write", image);
	m.image = at >= nr_blocks;
	close(from);
	close(to);
	free(index);
	free(piece);
	printf("       %llu of %llu blocks copied\n", (unsigned long long)listed,
	       (unsigned long long)nr_blocks);
}

/* What must be after every step */

static unsigned long expected_state(void)
{
	return m.pending ? (m.mode == SNAP ? 5 : 4) : (m.mode == SNAP) | (m.mount == RW ? 2 : 0);
}

static void check_state(void)
{
	struct info info = { .minor = MINOR };
	struct timespec moment = { 0, 100000000 };
	int tries = 50;

	if (!m.loaded)
		return;
	if (m.mode == NONE) {
		if (in_proc("minor", -1) != -1)
			wrong("/proc/datto-info shows a device, expected none");
		return;
	}
	/* A filesystem that is detached goes away in its own time. */
	while (in_proc("state", -1) != (long)expected_state() && tries--)
		nanosleep(&moment, NULL);
	if (in_proc("state", -1) != (long)expected_state())
		wrong("state %ld in /proc, expected %lu", in_proc("state", -1), expected_state());
	expect(answer(INFO, &info), 0);
	if (info.state != expected_state() || info.error != error_of_device())
		wrong("the ioctl says state %lu error %d, /proc says %ld %d", info.state,
		      info.error, in_proc("state", -1), error_of_device());
	if (error_of_device() == -EFBIG && m.mode == SNAP && !m.failed) {
		printf("       the COW file is full\n");
		m.failed = 1;
		m.image = 0;
	}
	if (!m.failed != !error_of_device())
		wrong("error %d, expected %s", error_of_device(), m.failed ? "one" : "none");
}

static void check_samples(void)
{
	if (m.mode != SNAP || m.pending || m.failed || !m.image)
		return;
	for (int i = 0; i < SAMPLES; i++) {
		uint32_t block = any(nr_blocks);

		compare(block, 1 + any(nr_blocks - block < 16 ? nr_blocks - block : 16));
	}
}

#include "transitions.h"

int main(int argc, char **argv)
{
	time_t end;
	int fd;

	if (argc != 9) {
		fprintf(stderr,
			"usage: transitions DEVICE FSTYPE FOLDER IMAGE MODULE SECONDS SEED LOAD_PROGRAM\n");
		return 2;
	}
	device = argv[1];
	fstype = argv[2];
	folder = argv[3];
	image = argv[4];
	module = argv[5];
	end = time(NULL) + atol(argv[6]);
	seed = strtoull(argv[7], NULL, 10) * 2 + 1;
	load_program = argv[8];
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	fd = open_or_give_up(device, O_RDONLY);
	nr_blocks = size_of(fd, device) / BLOCK;
	close(fd);
	fd = open(image, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, nr_blocks * BLOCK))
		give_up("cannot make", image);
	close(fd);

	while (time(NULL) < end)
		one_step();
	finish();
	return 0;
}
