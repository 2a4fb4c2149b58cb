/* SPDX-License-Identifier: GPL-2.0-only */
/* The operations of transitions.c: each does one thing, says what its result must be, and moves the model on. */

/*
 * A mode of the device that an ioctl on it needs; the errno if it is refused (docs/ABI.md, B.4:
 * steps C5b, C6, C7, then the state).
 */
static int refusal(int checks_open, int needs_state, enum mode mode)
{
	if (!m.loaded || m.mode == NONE)
		return ENOENT;
	if (checks_open && m.held)
		return EBUSY;
	if (m.failed)
		return EINVAL;
	return needs_state && (m.pending || m.mount != RW || m.mode != mode) ? EINVAL : 0;
}

/* The device goes. What it could not take up is as it was. */
static void forget(enum clean clean)
{
	if (!m.pending || !m.failed) {
		m.left.mode = m.mode;
		m.left.clean = m.failed ? MAYBE : clean;
	}
	m.mode = NONE;
	m.pending = m.failed = m.image = 0;
}

static void op_setup(void)
{
	struct setup p = { device, cow_path(m.cow + 1, 0), COW_MIB, 0, MINOR };
	int got;

	if (m.loaded && m.mode == NONE && m.mount == RW)
		run("rm -f %s/cow.*", folder);
	got = answer(SETUP, &p);
	if (!m.loaded || m.mode != NONE || m.mount != RW) {
		expect(got, !m.loaded ? ENOENT : m.mode != NONE ? EBUSY : EINVAL);
		return;
	}
	expect(got, 0);
	m.cow++;
	m.mode = SNAP;
	m.grown = 0;
	m.left.mode = NONE;
	settle();
	copy_listed(NULL);
}

static void op_to_incremental(void)
{
	unsigned int minor = MINOR;
	int refused = refusal(1, 1, SNAP), got = answer(TO_INC, &minor);

	if (!refused && got == EFBIG) { /* it filled up in this very moment (docs/ABI.md, B4.34) */
		m.failed = 1;
		m.mode = INC;
		return;
	}
	expect(got, refused);
	if (!refused)
		m.mode = INC;
}

static void op_to_snapshot(void)
{
	struct to_snap p = { cow_path(m.cow + 1, 0), any(2) ? COW_MIB : COW_MIB + any(32), MINOR };
	int refused = refusal(1, 1, INC);

	expect(answer(TO_SNAP, &p), refused);
	if (refused)
		return;
	m.mode = SNAP;
	m.grown = 0;
	m.cow++;
	settle();
	if (m.image) {
		copy_listed(cow_path(m.cow - 1, 0));
		compare(0, nr_blocks);
	} else {
		copy_listed(NULL);
	}
	if (unlink(cow_path(m.cow - 1, 0)))
		wrong("the old COW file: %s", strerror(errno));
}

static void op_destroy(void)
{
	unsigned int minor = MINOR;
	int refused = !m.loaded || m.mode == NONE ? ENOENT : m.held ? EBUSY : 0;

	expect(answer(DESTROY, &minor), refused);
	if (refused)
		return;
	if (m.mount == RW && !m.failed && !access(cow_path(m.cow, 0), F_OK))
		wrong("destroy left the COW file of an active device");
	forget(m.mount == RW ? NO : YES);
}

/* Mounting */

/* The disk of a snapshot that is taken up again comes in its own time. */
static void wait_for_node(void)
{
	for (int tries = 100; access(SNAPSHOT_NODE, F_OK); tries--) {
		if (!tries)
			wrong("%s does not appear", SNAPSHOT_NODE);
		nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	}
	settle();
}

/* What was announced is taken up, or refused. */
static void activated(void)
{
	int error;

	if (m.mount != RW || !m.pending)
		return;
	error = error_of_device();
	if (error && m.announced == YES)
		wrong("error %d of a device that ended cleanly", error);
	if (!error && m.announced == NO)
		wrong("a device that others wrote to was taken up again");
	if (error) {
		m.failed = 1;
		m.image = 0;
	} else {
		m.pending = 0;
		if (m.mode == SNAP)
			wait_for_node();
	}
	printf("       %s\n", error ? "refused" : "taken up again");
}

/* Somebody may write to an origin that nobody tracks. */
static void untracked_mount(enum mount_state state)
{
	if (m.mode != NONE && !m.failed)
		return;
	if (state == RW)
		m.left.clean = NO;
	else if (m.left.clean == YES)
		m.left.clean = MAYBE;
}

static void op_mount(void)
{
	int read_only = any(4) == 0;

	if (m.mount != OUT)
		return;
	untracked_mount(read_only ? RO : RW);
	expect(mount(device, folder, fstype, read_only ? MS_RDONLY : 0, any(2) ? "discard" : "") ?
		       errno :
		       0,
	       0);
	m.mount = read_only ? RO : RW;
	activated();
}

static void op_remount(void)
{
	int to_read_only = any(2), got;

	if (m.mount == OUT || to_read_only == (m.mount == RO))
		return;
	if (to_read_only && any(2))
		stop_load();
	if (!to_read_only)
		untracked_mount(RW);
	got = mount(NULL, folder, NULL, MS_REMOUNT | (to_read_only ? MS_RDONLY : 0), NULL) ? errno :
											     0;
	if (got == EBUSY && m.load) /* it has a file open for writing, as it happens */
		return;
	expect(got, 0);
	if (m.load) { /* it had none open; it fails at its next write */
		kill(m.load, SIGKILL);
		waitpid(m.load, NULL, 0);
		m.load = 0;
	}
	m.mount = to_read_only ? RO : RW;
	activated();
}

static void op_umount(void)
{
	int lazy = any(4) == 0;

	if (m.mount == OUT)
		return;
	if (m.load && any(3) == 0) {
		/* The load has its working folder there. */
		expect(umount2(folder, 0) ? errno : 0, EBUSY);
		return;
	}
	stop_load();
	expect(umount2(folder, lazy ? MNT_DETACH : 0) ? errno : 0, 0);
	m.mount = OUT;
}

/* The module */

static void op_unload(void)
{
	int got;

	if (!m.loaded)
		return;
	settle();
	got = syscall(SYS_delete_module, "dattobd", O_NONBLOCK) ? errno : 0;
	if (m.held) {
		expect(got, EWOULDBLOCK);
		return;
	}
	expect(got, 0);
	m.loaded = 0;
	if (m.mode != NONE)
		forget(m.mount == RW ? NO : YES);
}

static void op_load(void)
{
	if (m.loaded)
		return;
	run("insmod %s", module);
	settle();
	m.loaded = 1;
}

static void op_reload(void)
{
	enum mode mode = m.left.mode != NONE ? m.left.mode : INC;
	struct reload p = { device, cow_path(m.cow, 1), 0, MINOR };
	int got;

	if (any(8) == 0)
		mode = mode == SNAP ? INC : SNAP;
	got = answer(mode == SNAP ? RELOAD_SNAP : RELOAD_INC, &p);
	if (!m.loaded || m.mode != NONE || m.mount == RW) {
		expect(got, !m.loaded ? ENOENT : m.mode != NONE ? EBUSY : EINVAL);
		return;
	}
	expect(got, 0);
	m.announced = mode == m.left.mode ? m.left.clean : NO;
	m.mode = mode;
	m.pending = 1;
	m.failed = error_of_device() != 0;
	m.image = 0;
	if (m.failed && m.announced == YES)
		wrong("error %d of a device that ended cleanly", error_of_device());
}

/* The rest */

static void op_open(void)
{
	if (m.held) {
		close(m.held);
		m.held = 0;
	} else if (m.loaded && m.mode == SNAP && !m.pending) {
		m.held =
			open_or_give_up(SNAPSHOT_NODE, O_RDONLY | O_CLOEXEC); /* not for the load */
	}
}

static void op_expand(void)
{
	struct expand p = { any(4), MINOR };
	int refused = refusal(0, 1, SNAP), got = answer(EXPAND, &p);

	if (got != ENOSPC || refused)
		expect(got, refused ? refused : p.mib ? 0 : EINVAL);
	m.grown |= !refused;
}

static void op_auto_expand(void)
{
	struct auto_expand p = { any(8), any(16), MINOR };
	int refused = refusal(0, 1, SNAP);

	expect(answer(AUTO_EXPAND, &p), refused);
	m.grown |= !refused;
}

static void op_reconfigure(void)
{
	struct reconfigure p = { any(2) ? 0 : any(4 << 20), MINOR };

	expect(answer(RECONFIGURE, &p), refusal(1, 0, NONE));
}

static void op_wait(void)
{
	struct timespec moment = { any(2), any(1000000000) };

	nanosleep(&moment, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
	unsigned int weight;
} ops[] = {
	{ "setup", op_setup, 10 },
	{ "to incremental", op_to_incremental, 14 },
	{ "to snapshot", op_to_snapshot, 14 },
	{ "destroy", op_destroy, 2 },
	{ "mount", op_mount, 20 },
	{ "remount", op_remount, 10 },
	{ "umount", op_umount, 8 },
	{ "unload", op_unload, 5 },
	{ "load", op_load, 10 },
	{ "reload", op_reload, 8 },
	{ "open or close", op_open, 8 },
	{ "expand", op_expand, 5 },
	{ "auto-expand", op_auto_expand, 4 },
	{ "reconfigure", op_reconfigure, 5 },
	{ "wait", op_wait, 10 },
};

enum { NR_OPS = sizeof(ops) / sizeof(ops[0]) };

/* Any operation; half of the time, one that leads to a device that works, if there is none. */
static unsigned int pick_op(void)
{
	void (*towards)(void) = NULL;
	uint32_t total = 0, pick, i;

	if (!m.loaded)
		towards = op_load;
	else if (m.mode == NONE)
		towards = m.mount == RW ? op_setup : m.left.mode != NONE ? op_reload : op_mount;
	else if (m.failed)
		towards = op_destroy;
	if (towards && any(2)) {
		for (i = 0; ops[i].run != towards; i++)
			;
		return i;
	}
	for (i = 0; i < NR_OPS; i++)
		total += ops[i].weight;
	pick = any(total);
	for (i = 0; pick >= ops[i].weight; i++)
		pick -= ops[i].weight;
	return i;
}

static void one_step(void)
{
	static const char *const mounts[] = { "unmounted", "mounted read-only", "mounted" };
	static const char *const modes[] = { "no device", "incremental", "snapshot" };
	unsigned int i = pick_op();

	step++;
	snprintf(doing, sizeof(doing), "%s (%s, %s%s%s%s%s)", ops[i].name,
		 m.loaded ? modes[m.mode] : "no module", mounts[m.mount],
		 m.pending ? ", announced" : "", m.failed ? ", failed" : "", m.held ? ", open" : "",
		 m.load ? ", load" : "");
	printf("%5u  %s\n", step, doing);
	alarm(STEP_LIMIT_SECONDS);
	ops[i].run();
	check_state();
	check_samples();
	start_load();
}

/* Nothing is left of the device, and the filesystem is unmounted. */
static void finish(void)
{
	snprintf(doing, sizeof(doing), "the end");
	if (m.held)
		close(m.held);
	m.held = 0;
	stop_load();
	if (m.mode == SNAP && !m.pending && !m.failed && m.image)
		compare(0, nr_blocks);
	if (m.mount != OUT)
		expect(umount2(folder, 0) ? errno : 0, 0);
	m.mount = OUT;
	op_unload();
	printf("%u steps\n", step);
}
