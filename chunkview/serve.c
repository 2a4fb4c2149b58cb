// SPDX-License-Identifier: Apache-2.0
/*
 * Serves a filesystem for as long as its parent lives, which holds the other end of standard input;
 * or, once the parent has written something there, for as long as somebody uses the filesystem.
 */
#include "chunkview.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic uint64_t read_bytes;
static _Atomic uint64_t read_errors;

int read_full(int fd, char *data, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t got = pread(fd, data, bytes, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? errno : EIO;
		data += got;
		bytes -= got;
		offset += got;
	}
	return 0;
}

void reply_read(fuse_req_t request, char *data, size_t bytes, int error)
{
	if (error) {
		atomic_fetch_add(&read_errors, 1);
		fuse_reply_err(request, EIO);
	} else {
		atomic_fetch_add(&read_bytes, bytes);
		fuse_reply_buf(request, data, bytes);
	}
	free(data);
}

bool allow_reading(fuse_req_t request, const struct fuse_file_info *file)
{
	if ((file->flags & O_ACCMODE) == O_RDONLY)
		return true;
	fuse_reply_err(request, EROFS);
	return false;
}

/* The signal interrupts the main thread's wait, which a flag alone would not. */
static void *wait_for_end(void *session)
{
	char ignored[64];
	ssize_t got;

	(void)session;
	do {
		got = read(STDIN_FILENO, ignored, sizeof(ignored));
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		kill(getpid(), SIGTERM);
	return NULL;
}

/* The main thread alone gets signals. */
static bool watch_parent(void)
{
	sigset_t all, before;
	pthread_t watcher;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&watcher, NULL, wait_for_end, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0;
}

static int run(struct fuse_session *session, bool threads)
{
	struct fuse_loop_config config = { .clone_fd = 0, .max_idle_threads = 4 };

	if (!watch_parent())
		return -1;
	puts("ready");
	fflush(stdout);
	return threads ? fuse_session_loop_mt(session, &config) : fuse_session_loop(session);
}

int serve(const struct filesystem *filesystem, const char *mountpoint)
{
	char *argv[] = { "chunkview", "-o", "ro,nosuid,nodev,noexec,fsname=chunkview", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *session;
	int status = -1;

	session = fuse_session_new(&args, filesystem->ops, sizeof(*filesystem->ops),
				   filesystem->state);
	if (!session)
		goto out;
	if (fuse_set_signal_handlers(session) != 0)
		goto destroy;
	/* It prints the reason itself. */
	if (fuse_session_mount(session, mountpoint) != 0)
		goto handlers;
	status = run(session, filesystem->threads);
	fuse_session_unmount(session);
	printf("read %llu errors %llu\n", (unsigned long long)atomic_load(&read_bytes),
	       (unsigned long long)atomic_load(&read_errors));
handlers:
	fuse_remove_signal_handlers(session);
destroy:
	fuse_session_destroy(session);
out:
	fuse_opt_free_args(&args);
	/* A positive status is the signal that ended it. */
	return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
