/*
 * The write pipeline of kmod-stub/, for spin. docs/ARCHITECTURE.md, "The checked model", maps the
 * steps to functions and has the properties, the bounds and what is left out.
 *
 * What the module does under one lock is one step here. Between two steps all others may run.
 * Writes, jobs, appends and reads are data in arrays; the processes are those that act on them:
 * tasks that write, readers, the disk, the worker, and requests. Inlines are named for the function
 * whose step they are.
 */

#ifndef BLOCKS
#define BLOCKS 2 /* of the volume, and so of the COW file; 2 or 3 */
#endif
#ifndef WRITES
#define WRITES 2 /* 1 to 3 */
#endif
#ifndef READS
#define READS 1 /* 1 or 2 */
#endif
#ifndef JOBS
#define JOBS 2 /* 1 or 2 */
#endif
#ifndef JOB_WRITES
#define JOB_WRITES 2 /* that one job is for */
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef APPENDS
#define APPENDS 2 /* 1 or 2 */
#endif
#ifndef SWITCHES
#define SWITCHES 2
#endif
#ifndef TRIES
#define TRIES 2 /* of a switch to snapshot mode */
#endif
#ifndef FAILURES
#define FAILURES 1 /* I/O may fail, the COW file may be full, waits may be given up */
#endif
#ifndef FOREIGN
#define FOREIGN 1 /* writes of somebody else may go to the COW file's blocks */
#endif

#define ALL_SLOTS ((1 << SLOTS) - 1)
#define FILE (1 << BLOCKS) /* in the mask of a write: it goes to the COW file's blocks */
#define HAS(mask, n) (((mask) >> (n)) & 1)

/* What a slot or a place in the COW file holds: 0 for nothing known, old content, or newer. */
#define GOOD(block) ((block) + 1)
#define BAD 255

/* Where a write is. */
#define NOT_YET 0
#define DEFERRED 1
#define BARRED 2
#define TO_PLAN 3 /* from here on the worker has it in hand */
#define IN_BATCH 4
#define WAITS 5 /* for jobs */
#define HELD 6
#define READY 7
#define BLOCKED 8
#define SENDING 9 /* the sender has it */
#define GONE 10 /* let go in incremental mode: on the disk or not, which matters at a switch only */
#define FLYING 11 /* let go before the instant of the snapshot, and not on the disk */
#define ENDED 12
#ifdef MUTANT_SEND
#define IN_HAND(w) (w_is[w] >= TO_PLAN && w_is[w] <= BLOCKED)
#else
#define IN_HAND(w) ((w_is[w] >= TO_PLAN && w_is[w] <= SENDING) || HAS(sent, w))
#endif
#define BACKGROUND(w) ((w) == 0) /* it goes by the sender */

/* Where a job is. */
#define FREE 0
#define READING 1

/* Where an append is. */
#define BEGUN 1 /* the worker prepares it */
#define SUBMITTED 2
#define OVER 3

#define FLUSH_RUN 1 /* somebody waits for the run of the worker that goes on, */
#define FLUSH_NEXT 2 /* or for the one that is queued */

/* Under core_lock. */
bool snapshot_mode, error;
byte copied; /* the core's bit of each block: copied; in incremental mode, changed */
byte position[BLOCKS];
byte divide;
byte barrier;
byte outstanding; /* writes that were deferred and are not counted as gone */
byte raw_writes;

/* The snapshot. */
bool snap, published, closing = true, wakes;
byte openers;
byte reads; /* mask of those in flight, by number */
byte read_block[READS];
byte next_read;

/* The ring and the COW file. */
byte slot[SLOTS], slot_of[SLOTS];
byte used;
byte head, flushed, tail;
byte appends, append_is[APPENDS], append_end[APPENDS];
bool waited_for;
byte file[BLOCKS];

/* The worker's. */
byte job_is[JOBS], job_blocks[JOBS], block_slot[BLOCKS];
byte w_is[WRITES], w_blocks[WRITES], w_rest[WRITES], w_jobs[WRITES], w_older[WRITES],
	w_stamp[WRITES];
byte passed;
byte sent; /* mask of the writes that the sender submitted, and the worker did not take back */
bool queued, running;
byte flush;

/* Of the device. */
bool begun, tracked, freed;

/* Known to the check only. */
byte newer; /* blocks of the origin that were written after the instant of the snapshot */
bool file_given; /* the COW file's blocks may be somebody else's, */
bool file_taken; /* or are */

#define WANTED (snapshot_mode && !error)
#define IN_RING(b) (slot[slot_of[position[b] % SLOTS]] == GOOD(b))
#define IN_FILE(b) (file[position[b]] == GOOD(b))
#define KEPT(b) (HAS(copied, b) && ((position[b] >= tail && IN_RING(b)) || \
				    (position[b] < tail && IN_FILE(b))))

inline forget_content()
{
	b = 0;
	do
	:: b < BLOCKS ->
		file[b] = 0;
		b++
	:: else -> break
	od;
	b = 0;
	do
	:: b < SLOTS ->
		slot[b] = 0;
		b++
	:: else -> break
	od;
	b = 0;
	newer = 0
}

/* core_fail(). Content does not matter from here on, so that fewer states differ. */
inline core_fail()
{
	error = true;
	queued = true;
	copied = 0;
	divide = 0;
	b = 0;
	do
	:: b < WRITES ->
		w_older[b] = 0;
		w_blocks[b] = (w_blocks[b] && w_blocks[b] != FILE -> 1 : w_blocks[b]);
		w_rest[b] = (w_rest[b] -> 1 : 0);
		b++
	:: else -> break
	od;
	b = 0;
	do
	:: b < BLOCKS ->
		position[b] = 0;
		b++
	:: else -> break
	od;
	forget_content()
}

/* ---- A write is let go: properties 2 and 4. ---- */

inline go(w)
{
	b = 0;
	do
	:: b < BLOCKS ->
		if
		:: HAS(w_blocks[w], b) && tracked && !error ->
			assert(HAS(copied, b)); /* preserved, or marked */
			assert(!snapshot_mode || KEPT(b))
		:: else
		fi;
		b++
	:: else -> break
	od;
	b = 0;
	if
	:: w_blocks[w] == FILE ->
		assert(!raw_writes);
		file_taken = true
	:: else
	fi;
	if
	:: w_blocks[w] != FILE && tracked && !error && !snapshot_mode -> w_is[w] = GONE
	:: else ->
		/* On the disk at once, which is the worst for readers. */
		newer = newer | (WANTED && tracked && w_blocks[w] != FILE -> w_blocks[w] : 0);
		w_is[w] = ENDED;
		w_blocks[w] = 0
	fi;
	w_rest[w] = 0;
	w_older[w] = 0;
	w_stamp[w] = 0
}

inline check_kept()
{
	b = 0;
	do
	:: b < BLOCKS ->
		assert(!HAS(newer, b) || !WANTED || KEPT(b));
		b++
	:: else -> break
	od;
	b = 0
}

/* The last of append_put(): the tail moves over those that are over, and frees their slots. */
inline move_tail()
{
	do
#ifdef MUTANT_TAIL
	:: appends > 1 && append_is[1] == OVER && append_is[0] != OVER ->
		append_end[0] = append_end[1];
		append_is[1] = append_is[0];
		append_is[0] = OVER
#endif
	:: appends && append_is[0] == OVER ->
		do
		:: tail < append_end[0] ->
			used = used & ~(1 << slot_of[tail % SLOTS]);
			slot[slot_of[tail % SLOTS]] = 0;
			slot_of[tail % SLOTS] = 0;
			tail++
		:: else -> break
		od;
		append_is[0] = 0;
		append_end[0] = 0;
#if APPENDS > 1
		append_is[0] = append_is[1];
		append_end[0] = append_end[1];
		append_is[1] = 0;
		append_end[1] = 0;
#endif
		appends--
	:: else -> break
	od;
	queued = queued || waited_for || flushed != head;
	waited_for = false;
	check_kept()
}

/* ---- Reads of the snapshot. Their processes come first: _pid is the number of the read. ---- */

/* What no read in flight is older than might as well be 0: fewer states differ. */
inline forget_older()
{
	divide = (reads & ((1 << divide) - 1) -> divide : 0);
	do
	:: b < WRITES ->
		w_older[b] = (reads & ((1 << w_older[b]) - 1) -> w_older[b] : 0);
		b++
	:: else -> break
	od;
	b = 0
}

active [READS] proctype reader()
{
	byte source, b;

end:
	/* open_disk(), submit(), read_begin() */
	atomic {
		published && !closing && !error && next_read == _pid;
		next_read++;
		openers++;
#ifndef MUTANT_REGISTER
		reads = reads | (1 << _pid);
#endif
		if
		:: read_block[_pid] = 0
		:: read_block[_pid] = 1
#if BLOCKS > 2
		:: read_block[_pid] = 2
#endif
		fi;
		printf("reader %d: registers, block %d\n", _pid, read_block[_pid])
	}
	/* plan_rest(): a position and 2, or 1 for the origin, or 0 if it failed */
	d_step {
		assert(snap);
		if
		:: error -> source = 0
		:: !error && HAS(copied, read_block[_pid]) ->
			source = 2 + position[read_block[_pid]]
		:: else -> source = 1
		fi;
		printf("reader %d: planned, %d (0 failed, 1 origin, else position and 2)\n", _pid, source)
	}
#ifdef MUTANT_REGISTER
	reads = reads | (1 << _pid);
#endif
	/* What it finds there, in memory (ring_read()) or in the COW file; and read_put(). Property 1. */
	d_step {
		assert(snap);
		if
		:: error || source == 0 -> skip
		:: !error && source == 1 -> assert(!HAS(newer, read_block[_pid]))
		:: !error && source >= 2 && source - 2 >= tail ->
			assert(source - 2 < head);
			assert(slot[slot_of[(source - 2) % SLOTS]] == GOOD(read_block[_pid]))
		:: else -> assert(file[source - 2] == GOOD(read_block[_pid]))
		fi;
		printf("reader %d: ends\n", _pid);
		reads = reads & ~(1 << _pid);
		read_block[_pid] = 0;
		forget_older();
#ifndef MUTANT_WAKE
		queued = queued || wakes;
#endif
		openers--;
		source = 0
	}
}

/* ---- Tasks that write. They are alike, so one process does for all. ---- */

/* snapshot_reads_overlap() */
#define OVERLAPS_ONE(r, w, number) \
	((r) < (number) && HAS(reads, r) && HAS(w_blocks[w], read_block[r]))
#if READS == 1
#define OVERLAPS(w, number) OVERLAPS_ONE(0, w, number)
#else
#define OVERLAPS(w, number) (OVERLAPS_ONE(0, w, number) || OVERLAPS_ONE(1, w, number))
#endif

#define FAILED_FOR_GOOD (error && !raw_writes)
#define TAKEN_FILE(w) (w_blocks[w] == FILE)

/* may_go() and mark_short(); a write may also be deferred for what is not in this model */
#define GOES_AT_ONCE(w) (!may_defer && \
	(!snapshot_mode || ((w_blocks[w] & ~copied) == 0 && !OVERLAPS(w, divide))))

inline tracker_take(w)
{
	printf("write %d: comes, blocks %d\n", w, w_blocks[w]);
	if
	:: TAKEN_FILE(w) && tracked && !error -> core_fail() /* fail_if_taken() */
	:: else
	fi;
	if
	:: !tracked || (error && !(TAKEN_FILE(w) && raw_writes)) -> go(w)
	:: tracked && !error && GOES_AT_ONCE(w) ->
		copied = copied | (snapshot_mode -> 0 : w_blocks[w]);
		go(w)
	:: else ->
		w_is[w] = DEFERRED;
		outstanding++;
		queued = true
	fi;
	printf("write %d: %d (1 deferred, 10 or 12 gone)\n", w, w_is[w]);
	may_defer = false
}

active proctype tasks()
{
	byte w, b;
	bool may_defer;

	begun;
	do
	:: w < WRITES && FAILED_FOR_GOOD ->
		d_step { /* one as the other, and whenever they come */
			do
			:: w < WRITES ->
				w_is[w] = ENDED;
				w++
			:: else -> break
			od;
			skip
		}
	:: w < WRITES && !FAILED_FOR_GOOD ->
		atomic {
			if
			:: w_blocks[w] = 1
			:: w_blocks[w] = 2
			:: w_blocks[w] = 3
#if BLOCKS > 2
			:: w_blocks[w] = 4
			:: w_blocks[w] = 6
#endif
#if FOREIGN
			:: w_blocks[w] = FILE
#endif
			fi;
			if
			:: may_defer = true
			:: skip
			fi;
			d_step {
				tracker_take(w);
				w++
			}
		}
	:: else -> break
	od;
	/* Property 3: all of them end. */
	do
	:: w > 0 ->
		atomic {
			w_is[w - 1] == ENDED || w_is[w - 1] == GONE;
			w--
		}
	:: else -> break
	od
}

/* ---- The disk. ---- */

/* An append ends, with its data on the disk. */
inline append_end_io(k)
{
	assert(!file_taken && !file_given); /* property 4 */
	n = (k -> append_end[0] : tail);
	do
	:: n < append_end[k] ->
		file[n] = (WANTED -> slot[slot_of[n % SLOTS]] : 0);
		n++
	:: else -> break
	od;
	n = 0;
	printf("disk: append %d of %d has ended\n", k, appends);
	append_is[k] = OVER;
	raw_writes--;
	move_tail()
}

inline append_fails(k)
{
	printf("disk: append %d of %d has failed\n", k, appends);
	core_fail();
	append_is[k] = OVER;
	raw_writes--;
	move_tail()
}

/* A write that was let go before the snapshot reaches the disk. */
inline land(w)
{
	printf("disk: write %d lands\n", w);
	newer = newer | (WANTED && published -> w_blocks[w] : 0);
	w_is[w] = ENDED;
	w_blocks[w] = 0;
	check_kept()
}

#define APPEND_ENDS(k) \
	:: d_step { append_is[k] == SUBMITTED -> append_end_io(k) }
#define APPEND_FAILS(k) \
	:: d_step { append_is[k] == SUBMITTED && !error -> append_fails(k) }
#define WRITE_LANDS(w) \
	:: d_step { w_is[w] == FLYING -> land(w) }

active proctype disk()
{
	byte b, n;

end:
	do
	APPEND_ENDS(0)
#if APPENDS > 1
	APPEND_ENDS(1)
#endif
#if FAILURES
	APPEND_FAILS(0)
#if APPENDS > 1
	APPEND_FAILS(1)
#endif
#endif
	WRITE_LANDS(0)
#if WRITES > 1
	WRITE_LANDS(1)
#endif
#if WRITES > 2
	WRITE_LANDS(2)
#endif
	od
}

/* ---- The worker. ---- */

/* Of a write that is in no list. */
inline sort_out(w)
{
	if
	:: w_is[w] == WAITS && !w_jobs[w] -> w_is[w] = (w_rest[w] -> TO_PLAN : READY)
	:: else
	fi
}

inline make_ready(w)
{
	w_rest[w] = 0;
	w_is[w] = WAITS;
	sort_out(w)
}

#define COMMITS (job_blocks[j] && WANTED)
#if JOBS > 1
#define JOB_FREE (job_is[0] == FREE || job_is[1] == FREE)
#else
#define JOB_FREE (job_is[0] == FREE)
#endif

/* The reads of a job have ended. They saw what is there now, which is the worst. */
inline read_end_io()
{
	b = 0;
	do
	:: b < BLOCKS ->
		if
		:: HAS(job_blocks[j], b) && WANTED ->
			slot[block_slot[b]] = (HAS(newer, b) -> BAD : GOOD(b))
		:: else
		fi;
		b++
	:: else -> break
	od;
	b = 0
}

/* One block of commit_run(), with ring_publish() and snapshot_reads_divide(). */
inline commit_run()
{
	b = 0;
	do
	:: !HAS(job_blocks[j], b) -> b++
	:: else -> break
	od;
	assert(!HAS(copied, b)); /* property 5 */
	printf("worker: job %d, block %d is committed at %d\n", j, b, head);
	copied = copied | (1 << b);
	position[b] = head;
	slot_of[head % SLOTS] = block_slot[b];
	head++;
#ifndef MUTANT_DIVIDE
	divide = (reads -> next_read : 0); /* snapshot_reads_divide() */
#endif
	job_blocks[j] = job_blocks[j] & ~(1 << b);
	block_slot[b] = 0;
	b = 0
}

/* The end of commit() and of copies_finish(), and finish_jobs() for its writes. */
inline finish_job()
{
	printf("worker: job %d is over\n", j);
	do
	:: b < BLOCKS ->
		if
		:: HAS(job_blocks[j], b) -> /* ring_put() */
			used = used & ~(1 << block_slot[b]);
			slot[block_slot[b]] = 0;
			block_slot[b] = 0
		:: else
		fi;
		b++
	:: else -> break
	od;
	b = 0;
	job_is[j] = FREE;
	job_blocks[j] = 0;
	do
	:: i < WRITES ->
		w_jobs[i] = w_jobs[i] & ~(1 << j);
		w_is[i] = (w_is[i] == HELD -> WAITS : w_is[i]);
		sort_out(i);
		i++
	:: else -> break
	od;
	i = 0;
	any = true
}

/* The next lock of commit(): a block is committed, or it fails: the COW file is full, or the reads failed. */
inline commit()
{
	d_step { read_end_io() }
	if
	:: COMMITS -> d_step { commit_run() }
#if FAILURES
	:: COMMITS -> d_step { core_fail() }
#endif
	:: !COMMITS
	fi;
	if
	:: !COMMITS -> d_step { finish_job() }
	:: COMMITS
	fi;
	j = 0
}

/* The first part of release_writes(). */
inline begin_release()
{
	do /* sender_take() */
	:: i < WRITES ->
		n = n + HAS(sent, i);
		i++
	:: else -> break
	od;
	i = 0;
	sent = 0;
	do
	:: i < WRITES ->
		if
		:: w_is[i] == READY ->
			w_is[i] = BLOCKED;
			w_older[i] = (WANTED && reads -> next_read : 0);
			wakes = snap
		:: w_is[i] == BLOCKED -> wakes = snap
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	end_release()
}

/* On to the next write that may go. Behind the last one deferred_gone(), and begin_jobs(). */
inline end_release()
{
	do
	:: i < WRITES && w_is[i] != BLOCKED -> i++
	:: else -> break
	od;
	if
	:: i == WRITES ->
		i = 0;
		wakes = false;
		do
		:: i < WRITES ->
			wakes = wakes || (w_is[i] == BLOCKED && snap);
			i++
		:: else -> break
		od;
		outstanding = outstanding - n;
		any = any || n;
		n = 0;
		copying = WANTED /* copying_for() */
	:: else
	fi
}

#define GOES(w) (error || !snapshot_mode || !OVERLAPS(w, w_older[w]))

/* judge() */
inline tracker_release()
{
	if
	:: w_blocks[i] == FILE && !error -> core_fail()
	:: else
	fi;
	if
	:: error && w_blocks[i] == FILE && raw_writes -> skip /* wait_to_release() */
	:: else ->
		if
#ifdef MUTANT_READS
		:: true ->
#else
		:: GOES(i) ->
#endif
			copied = copied | (snapshot_mode || error -> 0 : w_blocks[i]);
			printf("worker: write %d goes\n", i);
			if
			:: BACKGROUND(i) ->
				w_is[i] = SENDING
#ifdef MUTANT_SEND
				; n++
#endif
			:: else ->
				go(i);
				n++
			fi
		:: else
		fi;
		i++
	fi;
	end_release()
}

/*
 * deferred_next(), copies_join() and the rest of gather(), for one write. If the write came in
 * another mode than copying_for() found, it is looked at again: no switch to snapshot mode comes
 * while it is in hand.
 */
inline gather(w)
{
	any = true;
	if
	:: w_is[w] == BARRED ->
		w_stamp[w] = barrier - 1;
		w_rest[w] = w_blocks[w]
	:: w_is[w] == DEFERRED ->
		w_stamp[w] = barrier;
		w_rest[w] = w_blocks[w]
	:: else
	fi;
	if
#ifndef MUTANT_LOOK
	:: !copying && WANTED ->
		w_is[w] = TO_PLAN;
		copying = true
#endif
	:: !copying -> make_ready(w)
	:: copying ->
		w_is[w] = IN_BATCH;
		do
		:: j < JOBS && !(job_blocks[j] & w_rest[w]) -> j++
		:: else -> break
		od;
#ifdef MUTANT_JOIN
		j = JOBS;
#endif
		if
		:: j < JOBS -> copies_join(w)
		:: else -> batch = true
		fi;
		j = 0
	fi;
	printf("worker: takes write %d, %d (4 for a job, 5 joins, 6 held, 7 ready)\n", w, w_is[w])
}

inline copies_join(w)
{
	n = 0;
	do
	:: i < WRITES ->
		n = n + HAS(w_jobs[i], j);
		i++
	:: else -> break
	od;
	if
	:: n >= JOB_WRITES -> w_is[w] = HELD
	:: else ->
		w_is[w] = WAITS;
		w_jobs[w] = w_jobs[w] | (1 << j)
	fi;
	n = 0;
	i = 0
}

/* plan_copy of the core, for the batch: up to block @b, which is as far as the slots reach. */
inline plan_copy()
{
	b = 0;
	do
	:: b < BLOCKS && used != ALL_SLOTS ->
		n = 0;
		i = 0;
		do
		:: i < WRITES ->
			n = n | (w_is[i] == IN_BATCH && HAS(w_rest[i], b));
			i++
		:: else -> break
		od;
		if
		:: n && !HAS(copied, b) ->
			i = 0; /* property 5 */
			do
			:: i < JOBS ->
				assert(!HAS(job_blocks[i], b));
				i++
			:: else -> break
			od;
			i = 0;
			do
			:: HAS(used, i) -> i++
			:: else -> break
			od;
			used = used | (1 << i);
			block_slot[b] = i;
			job_blocks[j] = job_blocks[j] | (1 << b);
			printf("worker: job %d reads block %d into slot %d\n", j, b, i)
		:: else
		fi;
		b++
	:: else -> break
	od;
	n = 0;
	i = 0
}

/* And submit_job(), and what begin_job() does with the batch. */
inline move_on()
{
	do
	:: i < WRITES ->
		if
		:: w_is[i] == IN_BATCH ->
#ifndef MUTANT_COMMIT
			if
			:: job_blocks[j] && (w_rest[i] & ((1 << b) - 1)) ->
				w_jobs[i] = w_jobs[i] | (1 << j)
			:: else
			fi;
#endif
			w_rest[i] = w_rest[i] & ~((1 << b) - 1);
			w_is[i] = (w_rest[i] -> TO_PLAN : WAITS);
			sort_out(i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	job_is[j] = (job_blocks[j] -> READING : FREE)
}

inline copies_start()
{
	if
	:: WANTED ->
		do
		:: job_is[j] != FREE -> j++
		:: else -> break
		od;
		plan_copy();
		move_on();
		b = 0;
		j = 0
	:: else ->
		do
		:: i < WRITES ->
			if
			:: w_is[i] == IN_BATCH -> make_ready(i)
			:: else
			fi;
			i++
		:: else -> break
		od
	fi;
	i = 0;
	batch = false
}

inline deferred_pass()
{
	n = barrier;
	do
	:: i < WRITES ->
		n = (w_is[i] == BARRED -> 0 : n);
		n = (IN_HAND(i) && w_stamp[i] < n -> w_stamp[i] : n);
		i++
	:: else -> break
	od;
	passed = (n > passed -> n : passed);
	i = 0;
	n = 0
}

/* The first part of ring_flush(): append_begin() and cow_writes_begin(). */
inline begin_append()
{
	append_is[appends] = BEGUN;
	append_end[appends] = head;
	appends++;
	n = !error;
	raw_writes = raw_writes + n
}

inline submit_append()
{
	flushed = append_end[appends - 1];
	if
#ifdef MUTANT_MODE
	:: n ->
#else
	:: n && snapshot_mode ->
#endif
		assert(!file_given && !file_taken); /* property 4 */
		append_is[appends - 1] = SUBMITTED;
		printf("worker: append up to %d\n", flushed)
	:: else ->
		raw_writes = raw_writes - n;
		append_is[appends - 1] = OVER;
		move_tail()
	fi;
	n = 0
}

/* The run ends, if nothing was done. */
inline end_step()
{
	deferred_pass();
	running = any;
	flush = (!any && flush == FLUSH_RUN -> 0 : flush)
}

inline begin_run()
{
	assert(!freed);
	queued = false;
	running = true;
	flush = (flush == FLUSH_NEXT -> FLUSH_RUN : flush)
}

#define TO_GATHER(w) (w_is[w] == TO_PLAN || w_is[w] == DEFERRED || w_is[w] == BARRED)
#if WRITES == 1
#define ANY_TO_GATHER TO_GATHER(0)
#elif WRITES == 2
#define ANY_TO_GATHER (TO_GATHER(0) || TO_GATHER(1))
#else
#define ANY_TO_GATHER (TO_GATHER(0) || TO_GATHER(1) || TO_GATHER(2))
#endif
#define SPACE (!copying || (JOB_FREE && used != ALL_SLOTS))
#define FLUSHES (snap && flushed != head && appends < APPENDS)
/* A job ends when the worker looks: nobody else does, and who ends a job wakes the worker. */
#define JOB_ENDS(k, begin) \
	:: atomic { job_is[k] == READING -> d_step { begin; j = k }; commit() } \
	   goto finish
#define GATHERS(w) \
	:: d_step { SPACE && TO_GATHER(w) -> gather(w) }

active proctype worker()
{
	byte i, j, b, n;
	bool any, copying, batch;

end_idle:
	if
	JOB_ENDS(0, begin_run())
#if JOBS > 1
	JOB_ENDS(1, begin_run())
#endif
	:: d_step {
		queued -> begin_run();
		begin_release()
	}
	   goto release
	fi;

finish: /* finish_jobs() */
	if
	JOB_ENDS(0, skip)
#if JOBS > 1
	JOB_ENDS(1, skip)
#endif
	:: d_step { begin_release() }
	   goto release
	fi;

release: /* release_writes(); cow_writes_wait() if a write is in the way of a raw one */
	atomic {
		if
		:: i == WRITES -> i = 0
		:: i < WRITES && !(error && w_blocks[i] == FILE && raw_writes) ->
			d_step { tracker_release() };
			goto release
		fi
	}

begin: /* begin_jobs(). A job is for as many writes as come, or fewer: urgent or not, or too many. */
	if
	GATHERS(0)
#if WRITES > 1
	GATHERS(1)
#endif
#if WRITES > 2
	GATHERS(2)
#endif
	:: d_step {
		batch -> copies_start()
	}
	:: atomic {
		!batch && !(SPACE && ANY_TO_GATHER) ->
		d_step {
			waited_for = waited_for || (copying && JOB_FREE && used == ALL_SLOTS);
			copying = false
		}
		if
		:: FLUSHES ->
			d_step { begin_append() };
			goto append
		:: else ->
			d_step { end_step() };
			goto next
		fi
	}
	fi;
	goto begin;

append:
	atomic {
		d_step { submit_append() };
		d_step { end_step() };
next:
		if
		:: any ->
			any = false;
			goto finish
		:: else -> goto end_idle
		fi
	}
}

/* ---- The sender. ---- */

active proctype sender() /* send_writes() */
{
	byte b;

end:
	do
	:: d_step {
		w_is[0] == SENDING ->
		printf("sender: write 0\n");
		go(0);
#ifndef MUTANT_SEND
		sent = 1;
#endif
		queued = true
	}
	od
}

/* ---- Requests. ---- */

inline begin_drain()
{
	do
	:: n < WRITES ->
		w_is[n] = (w_is[n] == DEFERRED -> BARRED : w_is[n]);
		n++
	:: else -> break
	od;
	n = 0;
	barrier++;
	queued = true
}

/* Nobody waits for a barrier any more: count from 0 again, so that fewer states differ. */
inline drained()
{
	do
	:: n < WRITES ->
		w_stamp[n] = 0;
		w_is[n] = (w_is[n] == BARRED -> DEFERRED : w_is[n]);
		n++
	:: else -> break
	od;
	n = 0;
	barrier = 0;
	passed = 0
}

/* The waits of worker_flush(); begin_drain() goes before. */
inline worker_flush()
{
	atomic {
		passed >= barrier;
		d_step { drained() }
		flush = (queued -> FLUSH_NEXT : (running -> FLUSH_RUN : 0)) /* flush_work() */
	}
	!flush
}

/* Nothing is under way in what is freed. */
inline snapshot_destroy()
{
	do
	:: n < JOBS ->
		assert(job_is[n] == FREE);
		n++
	:: else -> break
	od;
	n = 0;
	forget_content();
	do
	:: n < BLOCKS ->
		position[n] = 0;
		n++
	:: else -> break
	od;
	n = 0;
	do
	:: n < SLOTS ->
		slot_of[n] = 0;
		n++
	:: else -> break
	od;
	n = 0;
	used = 0;
	head = 0;
	flushed = 0;
	tail = 0;
	waited_for = false;
	divide = 0
}

inline device_drop_snapshot()
{
	d_step {
		snap = false;
		published = false;
		wakes = false;
		begin_drain()
	}
	worker_flush();
	atomic {
		!reads && !appends;
		d_step { snapshot_destroy() }
	}
}

inline transition_to_incremental()
{
	if /* worker_drain_deferred(), frozen */
	:: atomic {
		passed >= barrier -> d_step { drained() }
	}
#if FAILURES
	:: atomic {
		passed < barrier -> d_step { drained() };
		closing = false;
		goto next
	}
#endif
	fi;
	if
	:: !raw_writes /* cow_writes_drain() */
#if FAILURES
	:: atomic {
		raw_writes -> closing = false;
		goto next
	}
#endif
	fi;
	d_step { /* leave_snapshot_mode() */
		printf("request: leaves snapshot mode\n");
		snapshot_mode = false;
		divide = 0;
		forget_content();
		begin_drain()
	}
	worker_flush();
	atomic {
		!raw_writes; /* cow_writes_wait() */
		file_given = true
	}
	printf("request: the COW file's blocks may be given away\n");
	device_drop_snapshot()
}

/* switch_epoch() is the second half. */
inline switched()
{
	printf("request: snapshot mode\n");
	copied = 0;
	divide = 0;
	file_given = false;
	snapshot_mode = true;
	snap = true
}

#define OLD(w) (w_is[w] == FLYING)
#if WRITES == 1
#define ANY_OLD OLD(0)
#elif WRITES == 2
#define ANY_OLD (OLD(0) || OLD(1))
#else
#define ANY_OLD (OLD(0) || OLD(1) || OLD(2))
#endif

#ifdef MUTANT_DRAIN
#define QUIET (copied == changed && !error)
#else
#define QUIET (copied == changed && !outstanding && !error)
#endif

inline transition_to_snapshot()
{
	if /* worker_drain_deferred(), frozen */
	:: atomic {
		passed >= barrier -> d_step { drained() }
	}
#if FAILURES
	:: atomic {
		passed < barrier -> d_step { drained() };
		goto next
	}
#endif
	fi;
	tries = 0;
	do
	:: d_step {
		tries < TRIES ->
		changed = copied; /* handover_inherit() */
		tries++
	}
	   if
	   :: atomic {
		QUIET -> d_step { switched() }
		do
		:: n < WRITES && w_is[n] == GONE -> w_is[n] = FLYING; n++
		:: n < WRITES && w_is[n] == GONE -> w_is[n] = ENDED; w_blocks[n] = 0; n++
		:: n < WRITES && w_is[n] != GONE -> n++
		:: else -> break
		od;
		n = 0;
		break
	   }
	   :: else
	   fi
	:: atomic {
		tries == TRIES ->
		tries = 0;
		changed = 0;
		goto next
	}
	od;
	if /* drain_old_writes() */
	:: d_step {
		!ANY_OLD ->
		published = true; /* snapshot_publish() */
		closing = false
	}
#if FAILURES
	:: d_step {
		ANY_OLD -> core_fail()
	}
#endif
	fi;
	changed = 0;
	tries = 0
}

/* transition_dismantle(), after snapshot_close() */
inline dismantle()
{
	d_step {
		printf("request: destroys\n");
		core_fail(); /* core_end() */
	}
	atomic {
		!raw_writes; /* cow_writes_wait() */
		d_step {
			tracked = false; /* origin_remove() */
			begin_drain()
		}
	}
	worker_flush();
	if
	:: snap -> device_drop_snapshot()
	:: else
	fi;
	atomic {
		!queued && !running; /* worker_exit() */
		assert(!outstanding && !raw_writes && !appends && !reads);
		freed = true
	}
}

active proctype requests()
{
	byte n, b, switches, changed, tries;

	atomic {
		if
		:: d_step {
			true ->
			snapshot_mode = true;
			snap = true;
			published = true;
			closing = false
		}
		:: true
		fi;
		tracked = true;
		begun = true
	}
next:
	if
	:: atomic {
		switches < SWITCHES && snapshot_mode && !error && !openers ->
		d_step {
			closing = true; /* snapshot_close() */
			switches++;
			begin_drain()
		}
	}
	   transition_to_incremental();
	   goto next
	:: atomic {
		switches < SWITCHES && !snapshot_mode && !error ->
		d_step {
			switches++;
			begin_drain()
		}
	}
	   transition_to_snapshot();
	   goto next
	:: atomic {
		!openers -> closing = true
	}
	   dismantle()
	:: skip /* it stays as it is */
	fi
}
