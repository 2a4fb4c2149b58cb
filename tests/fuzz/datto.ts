/**
 * Fuzzes what reads COW files: every sub-command of datto-inspect, and what copies by a list of changes. Files are mutated
 * from sound ones; those that reach code that none reached before are mutated further.
 *
 * As a program: `npm run fuzz -- [seconds] [seed]`. A file that breaks something is kept, and named.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspectProgram } from '../../cli/inspect/program.js';
import { randomNumbers } from '../../host/copy/compare.js';
import { RefusalError, SystemError } from '../../host/errors.js';
import { compareImage } from '../../host/image/verify-image.js';
import { checkCow } from '../../host/inspect/check/check.js';
import { withFiles } from '../../host/inspect/inspected-cow.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { makeIncremental, makeScene } from '../host/inspect/golden.js';
import { Coverage } from './coverage.js';
import type { CowBytes, Random } from './mutate.js';
import { mutate } from './mutate.js';

/** Beyond this a run hangs, for whoever waits. */
const SLOW_MS = 20_000;
/** Sectors of the seeds' origins: whole sections, parts of one, a partial block. */
const ORIGINS = [32768, 65536, 4096, 4099, 40000];
const NR_SECTORS = ORIGINS[0] as number;

export interface FuzzResult {
  readonly runs: number;
  /** Files that reached something new, the seeds among them. */
  readonly corpus: number;
  readonly coverage: number;
}

/** A file broke something. */
export class FuzzError extends Error {
  readonly file: CowBytes;

  constructor(file: CowBytes, what: string, cause: unknown) {
    super(`${what}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
    this.file = file;
  }
}

const write = (path: string, { bytes, length }: CowBytes): void => {
  const fd = openSync(path, 'w');
  writeSync(fd, bytes, 0, bytes.length, 0);
  ftruncateSync(fd, length);
  closeSync(fd);
};

const isRefusal = (error: unknown): boolean =>
  (error instanceof RefusalError || error instanceof SystemError) && /^cannot [^\n]*$/.test(error.message);

/** Runs that read a COW file: `$` stands for it. Those with an origin's size come first. */
const COMMANDS = [
  'info $ --image BASE',
  'check $ --image BASE --json',
  'blocks $ --image BASE',
  'info $',
  'info --json $ --origin-size 512',
  'check $ --limit 3',
  'check $ --blocks 8192',
  'blocks $ --allow-unclean --json',
  'blocks $ --bmap OUT --force --image BASE',
  'blocks $ --bmap OUT --force --blocks 4096',
  'stat $ --allow-unclean --json',
  'stat $ --origin-size 16T',
  'map $ --allow-unclean --order 3',
  'map $ --png OUT --force',
  'map $ --svg OUT --force --json --allow-unclean',
  'diff $ SEED --runs',
  'diff SEED $ --json --allow-unclean',
].map((line) => line.split(' '));

const MEMORY = '/dev/shm';
const NEEDED_BYTES = 2 ** 29;

/** A folder for a fuzzer's files: in memory where there is room, since new files are synced. */
export const fuzzFolder = (): string => {
  const { bavail, bsize } = existsSync(MEMORY) ? statfsSync(MEMORY) : { bavail: 0, bsize: 0 };
  return mkdtempSync(join(bavail * bsize >= NEEDED_BYTES ? MEMORY : tmpdir(), 'datto-fuzz-'));
};

export class Fuzzer {
  readonly #folder: string;
  readonly #random: Random;
  readonly #syscalls = nativeSyscalls();
  readonly #coverage = new Coverage();
  readonly #corpus: CowBytes[];
  #runs = 0;

  /** @param folder for files of its own */
  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.#random = randomNumbers(seed);
    this.#corpus = this.#seeds();
  }

  get result(): FuzzResult {
    return { runs: this.#runs, corpus: this.#corpus.length, coverage: this.#coverage.size };
  }

  /**
   * Tries files for so long.
   *
   * @throws FuzzError
   */
  run(seconds: number): void {
    const end = Date.now() + seconds * 1000;
    for (const file of [...this.#corpus]) this.#try(file);
    while (Date.now() < end) {
      // Half of the time one of the newest, since little was made of them yet.
      const { length } = this.#corpus;
      const newest = Math.max(1, Math.floor(length / 8));
      const at = this.#random(2) === 0 ? length - 1 - this.#random(newest) : this.#random(length);
      const [from, other] = [this.#corpus[at], this.#corpus[this.#random(length)]] as [CowBytes, CowBytes];
      this.#try(mutate(from, this.#random, other));
    }
  }

  stop(): void {
    this.#coverage.stop();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #seeds(): CowBytes[] {
    const read = (name: string): CowBytes => {
      const bytes = readFileSync(this.#path(name));
      return { bytes, length: bytes.length };
    };
    const seeds = ORIGINS.flatMap((nrSectors, at) => {
      const changed = [0, 1, 2, 5, 300, 301, Math.floor(nrSectors / 8) - 1];
      makeScene(this.#path(`base${at}`), this.#path('snapshot'), { nrSectors, changed }, at);
      makeIncremental(this.#path('incremental'), { nrSectors, changed });
      const live = { ...read('snapshot'), bytes: Buffer.from(read('snapshot').bytes) };
      live.bytes.writeUInt32LE(0, 4);
      return [read('incremental'), read('snapshot'), live];
    });
    const [first] = seeds;
    if (first) write(this.#path('seed'), first);
    writeFileSync(this.#path('image'), '');
    truncateSync(this.#path('image'), NR_SECTORS * 512);
    return seeds;
  }

  /** A run of datto-inspect. */
  #inspect(file: CowBytes, command: readonly string[]): void {
    const names: Readonly<Record<string, string>> = { $: 'file', BASE: 'base0', SEED: 'seed', OUT: 'out' };
    const args = command.map((word) => (word in names ? this.#path(names[word] as string) : word));
    const streams = { out: () => undefined, err: () => undefined, interactive: false };
    const began = Date.now();
    try {
      inspectProgram(streams).parse(args, { from: 'user' });
    } catch (error) {
      if (!isRefusal(error)) throw new FuzzError(file, `datto-inspect ${command.join(' ')}`, error);
    }
    const took = Date.now() - began;
    if (took > SLOW_MS) throw new FuzzError(file, `datto-inspect ${command.join(' ')}`, `it took ${took} ms`);
  }

  #try(file: CowBytes): void {
    const path = this.#path('file');
    write(path, file);
    const found = this.#violations(file);
    for (const [at, command] of COMMANDS.entries()) {
      // All of those with an origin's size, and some of the others.
      if (at < 3 || this.#random(4) === 0) this.#inspect(file, command);
    }
    this.#compare(file, found);
    if (this.#coverage.isNew()) this.#corpus.push(file);
    this.#runs++;
  }

  /** How many rules the file breaks, for the origin of NR_SECTORS; undefined if that is not its origin. */
  #violations(file: CowBytes): number | undefined {
    const origin = { sectors: NR_SECTORS, source: 'the fuzzer' };
    try {
      return withFiles([this.#path('file')], (cow) => checkCow(cow, this.#syscalls, origin, 1).total);
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw new FuzzError(file, 'check', error);
    }
  }

  /** What is sound can be used, and what was used was sound. */
  #compare(file: CowBytes, found: number | undefined): void {
    const flags = file.bytes.length >= 8 ? file.bytes.readUInt32LE(4) : 0;
    const isClosed = (flags & 1) !== 0;
    const isList = (flags & 2) !== 0;
    const fail = (what: string, cause: unknown): never => {
      throw new FuzzError(file, what, cause);
    };
    try {
      const paths = { snapshot: this.#path('image'), image: this.#path('image'), cowFile: this.#path('file') };
      compareImage({ ...paths, all: false, sample: 10, seed: 1 }, this.#syscalls);
      if (!isClosed || !isList) fail('compare', 'it took a file that is no complete list');
    } catch (error) {
      if (error instanceof FuzzError) throw error;
      if (!isRefusal(error)) fail('compare', error);
      if (found === 0 && isClosed && isList) fail('compare with a sound file', error);
    }
    const now = Buffer.alloc(file.bytes.length);
    const size = withFiles([this.#path('file')], (cow) => {
      cow.read(now, 0);
      return Number(cow.stat().size);
    });
    if (size !== file.length || !now.equals(file.bytes)) fail('the file', 'it was written to');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seconds = '60', seed = `${Date.now() % 2 ** 32}`] = process.argv.slice(2);
  const cache = fileURLToPath(new URL('../../.cache/fuzz/', import.meta.url));
  mkdirSync(cache, { recursive: true });
  const folder = fuzzFolder();
  console.log(`seed ${seed}`);
  const fuzzer = new Fuzzer(folder, Number(seed));
  const timer = setInterval(() => console.log(fuzzer.result), 30_000);
  try {
    fuzzer.run(Number(seconds));
  } catch (error) {
    if (!(error instanceof FuzzError)) throw error;
    const kept = join(cache, `broken-${seed}.datto`);
    write(kept, error.file);
    console.log(`${kept}: ${error.message}`);
    process.exitCode = 1;
  } finally {
    clearInterval(timer);
    fuzzer.stop();
    rmSync(folder, { recursive: true });
  }
  console.log(fuzzer.result);
}
