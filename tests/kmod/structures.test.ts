// The data structures of kmod-stub, compiled unchanged for user space, against plain models.
// SEED=<number> repeats a run, ROUNDS=<number> sets its length. A round that fails prints both for itself.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** The sources, by the macro that a program includes. */
const SOURCES: Readonly<Record<string, string>> = {
  BIO_C: 'bio.c',
  COPY_C: 'io/copy.c',
  CUT_C: 'io/cut.c',
  DEFERRED_C: 'io/deferred.c',
  EXTENTS_C: 'cow/extents.c',
  FREE_SPACE_C: 'cow/free_space.c',
  JOB_C: 'io/job.c',
  LATE_C: 'io/late.c',
  MAP_C: 'cow/map.c',
  PIPELINE_C: 'io/pipeline.c',
  RAW_C: 'cow/raw.c',
  READS_C: 'io/reads.c',
  RELEASE_C: 'io/release.c',
  RING_C: 'io/ring.c',
  SENDER_C: 'io/sender.c',
  TRACKER_C: 'io/tracker.c',
};

interface Program {
  /** of the file, without its ending */
  readonly name: string;
  readonly rounds: number;
  /** sizes of pages, in KiB */
  readonly pages?: readonly number[];
  /** all that the program counts; each must have happened in these rounds */
  readonly cases: string;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'extents',
    rounds: 3000,
    cases: `read, joined, list grown, next batch, partial block, tail left, tail only, no tail, hole, hole in tail,
      unusable, unaligned, no memory, no scratch, io error, killed, no fiemap`,
  },
  {
    name: 'read_map',
    rounds: 1500,
    cases: `read, grown, stale, refused, joined, partial block, tail left, tail only, no tail, hole, hole in tail,
      unusable, unaligned, no memory`,
  },
  {
    name: 'map',
    rounds: 300,
    cases: `set, set again, grown, taken, not taken, cut, cut in block, cut to nothing, odd part, nothing odd,
      header part, whole blocks, no whole block, no memory`,
  },
  {
    name: 'ring',
    rounds: 60,
    pages: [4, 64],
    cases: `published, flushed, nothing to flush, from memory, from disk, not yet, around, odd pieces, ring full,
      appends full, file full, ended out of order, write failed, not written, no memory, single pages, given back,
      woken, mode left`,
  },
  { name: 'raw', rounds: 20, cases: 'done, at once, bio full, failed, beyond the end' },
  { name: 'raw', rounds: 20, pages: [16], cases: 'done, at once, failed, beyond the end' },
  { name: 'free_space', rounds: 60, cases: 'free, in use, joined, list grown, next batch, refused, limit' },
  {
    name: 'reads',
    rounds: 400,
    cases: `ended, piece ended, failed, device failed, overlaps, later overlaps, apart, older, none older, drained,
      drain killed, drain stopped, worker woken`,
  },
  {
    name: 'pipeline',
    rounds: 250,
    pages: [4, 64],
    cases: `urgent first, barred first, background in turn, background in turn with all, too many in hand, not copied in incremental mode,
      not copied on a failed device, not copied while a reload loads, not copied for a discard, joined a job, held,
      held no more, several in a job, did not fit, all was copied, planned again, no job free, no slot free,
      jobs left to urgent ones, slots left to urgent ones, in several jobs, blocked, released after reads,
      discard ended, marked, marked in slices, raw write in the way, submitted, COW file full, background full,
      background not full any more, urgent full, urgent not full any more, barrier waits, barriers passed, beyond the origin, copied for the worker,
      device failed, longer than a plan, many runs, mode left, read failed, request done, request given up,
      room wanted, map written, copied but waits for the map, section missed, settled, submitter waits, sent, many jobs for the background, where no lock may be taken`,
  },
  { name: 'cut', rounds: 400, cases: 'claimed, not claimed, given up, not to be claimed, too many, no memory' },
];

const SEED = process.env.SEED ?? `${Date.now() % 2 ** 32}`;
const ROUNDS = process.env.ROUNDS;

const here = fileURLToPath(new URL('.', import.meta.url));
const stub = fileURLToPath(new URL('../../kmod-stub/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'datto-structures-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Headers of the kernel's interface: user space has the same. */
const REAL_HEADERS = ['fiemap.h', 'fsmap.h', 'ioctl.h', 'stddef.h', 'types.h'];

/** Makes each other header of the kernel that a source includes, empty: kernel/kernel.h replaces them all. */
function makeHeaders(): void {
  const sources = readdirSync(stub, { recursive: true, encoding: 'utf8' }).filter((path) => /\.[ch]$/.test(path));
  const texts = sources.map((path) => readFileSync(join(stub, path), 'utf8'));
  const headers = texts.flatMap((text) => [...text.matchAll(/^#include <linux\/(.+)>/gm)].map((match) => match[1]!));
  for (const header of new Set(headers)) {
    if (REAL_HEADERS.includes(header)) continue;
    const path = join(folder, 'linux', header);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
  }
}

/** The last: some kernels load position-independent programs where this sanitizer keeps its heap. */
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-no-pie'];
/** Leaks are found without the sanitizer, which needs the right to trace for that. */
const SANITIZER_OPTIONS = { ASAN_OPTIONS: 'abort_on_error=1:detect_leaks=0', UBSAN_OPTIONS: 'abort_on_error=1' };

function compile(name: string, pageKiB: number): string {
  const program = join(folder, `${name}-${pageKiB}`);
  const headers = ['-include', join(here, 'kernel/kernel.h'), `-I${folder}`, `-I${stub}`];
  const macros = Object.entries(SOURCES).map(([macro, path]) => `-D${macro}="${join(stub, path)}"`);
  const options = ['-std=gnu11', '-g', '-O1', '-Wall', '-Werror', `-DPAGE_SIZE=${pageKiB * 1024}UL`];
  const source = join(here, `${name}_test.c`);
  execFileSync('gcc', [...options, ...SANITIZERS, ...headers, ...macros, '-o', program, source]);
  return program;
}

/** The cases that a program has counted, by lines "case: number". */
const casesIn = (output: string): string[] => [
  ...new Set([...output.matchAll(/^(.+): \d+$/gm)].map((match) => match[1]!)),
];

makeHeaders();
console.log(`seed ${SEED}`);

for (const { name, rounds, pages = [4], cases } of PROGRAMS)
  for (const pageKiB of pages)
    test(`${name}, pages of ${pageKiB} KiB`, () => {
      const { status, stdout, stderr } = spawnSync(compile(name, pageKiB), [SEED, ROUNDS ?? `${rounds}`], {
        encoding: 'utf8',
        env: { ...process.env, ...SANITIZER_OPTIONS },
      });
      assert.equal({ status, stderr }, { status: 0, stderr: '' });
      if (ROUNDS === undefined) assert.equal(casesIn(stdout).sort(), cases.split(/,\s+/).sort());
    });

test.run();
