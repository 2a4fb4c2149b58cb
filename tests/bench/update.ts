/** update-img against copying block by block and against dd, on files of this machine's disk, with a cold page cache. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { buildTools } from '../../scripts/build-cli.js';
import { printTimes } from './figures.js';
import type { Case } from './update-files.js';
import { changedBlocks, makeFiles } from './update-files.js';

const MIB = 1048576;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const syscalls = nativeSyscalls();

/** Title, baseline and aims of each case; aims of the whole image are to dd, with the time until it is on disk. */
const CASES: Readonly<
  Record<Case, { title: string; baseline: string; aims: Record<string, number>; aimIsSynced: boolean }>
> = {
  scattered: {
    title: 'scattered blocks',
    baseline: 'one block at a time',
    aimIsSynced: false,
    aims: { 'update-img': 3.5, 'update-img --direct': 3.5 },
  },
  runs: {
    title: '10 % in runs of 64 KiB',
    baseline: 'one block at a time',
    aimIsSynced: false,
    aims: { 'update-img': 4.5, 'update-img --direct': 4.5 },
  },
  whole: {
    title: 'the whole image',
    baseline: 'dd bs=1M',
    aimIsSynced: true,
    aims: { 'update-img': 0.85, 'update-img --direct': 0.85 },
  },
};

const LIMIT = 'the limit';

class Scene {
  readonly #folder: string;
  readonly #bytes: number;

  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#bytes = bytes;
    for (const name of ['one-by-one', 'at-once']) {
      execFileSync('gcc', ['-O2', '-Wall', '-Werror', '-o', this.at(name), here(`${name}.c`)]);
    }
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', this.at('fake.so'), here('../cli/fake-kernel.c'), '-ldl']);
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', this.at('no-fsync.so'), here('no-fsync.c')]);
  }

  at(name: string): string {
    return join(this.#folder, name);
  }

  /** Command lines by name. */
  contenders(which: Case): ReadonlyMap<string, readonly string[]> {
    const [snap, cow, image] = [this.at('snap'), this.at(`cow.${which}`), this.at('image')];
    const program = (name: string): readonly string[] => [this.at(name), snap, cow, image, `${this.#bytes}`];
    const update = (...options: string[]): readonly string[] => [
      process.execPath,
      this.at('tools/update-img.mjs'),
      ...options,
      '/dev/datto7',
      cow,
      image,
    ];
    return new Map([
      ['one block at a time', program('one-by-one')],
      ...(which === 'whole'
        ? [['dd bs=1M', ['dd', `if=${snap}`, `of=${image}`, 'bs=1M', 'conv=notrunc,fsync', 'status=none']] as const]
        : []),
      ['update-img', update()],
      ['update-img --direct', update('--direct')],
      [LIMIT, program('at-once')],
    ]);
  }

  /** Milliseconds of a run that finds nothing of its files in memory. */
  time([program = '', ...args]: readonly string[], which: Case, synced: boolean): number {
    rmSync(this.at('image.datto-state'), { force: true });
    for (const name of ['snap', 'image', `cow.${which}`]) this.#forget(this.at(name));
    const libraries = [...(synced ? [] : [this.at('no-fsync.so')]), this.at('fake.so')];
    const fakes = { FAKE_DRIVER: '1', FAKE_SNAPSHOT: this.at('snap'), FAKE_INFO: this.at('info') };
    const env = { ...process.env, ...fakes, LD_PRELOAD: libraries.join(':') };
    const began = performance.now();
    const { status, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
    const milliseconds = performance.now() - began;
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
    return milliseconds;
  }

  /** The image must be what the snapshot is, where the case lists blocks. */
  requireEqual(): void {
    const { status, stdout } = spawnSync('cmp', [this.at('snap'), this.at('image')], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`the image is not the snapshot: ${stdout}`);
  }

  #forget(path: string): void {
    const fd = openSync(path, 'r+');
    fsyncSync(fd);
    syscalls.adviseDontNeed(fd);
    closeSync(fd);
  }
}

const emptyNode = (): number => {
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '']);
  return performance.now() - began;
};

const measure = (scene: Scene, which: Case, synced: boolean, rounds: number): Map<string, number[]> => {
  const contenders = [...scene.contenders(which)];
  const times = new Map(contenders.map(([name]) => [name, [] as number[]]));
  const add = (name: string, milliseconds: number): void => void times.get(name)?.push(milliseconds);
  // The first round is not counted: it may find the disk busy with what the files' making left.
  for (let round = 0; round <= rounds; round++) {
    // Every other round backwards: the disk may still be busy with what the one before left.
    for (const [name, command] of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      const milliseconds = scene.time(command, which, synced) + (name === LIMIT ? emptyNode() : 0);
      if (round > 0) add(name, milliseconds);
    }
    process.stdout.write('.');
  }
  return times;
};

/** Measures and prints. BENCH_MIB: size of the image; ROUNDS; BENCH_CASES; TMPDIR must have room for twice the size. */
export const update = async (): Promise<boolean> => {
  const mib = Number(process.env.BENCH_MIB ?? 2048);
  const rounds = Number(process.env.ROUNDS ?? 5);
  const cases = (process.env.BENCH_CASES ?? 'scattered,runs,whole').split(',') as Case[];
  const folder = mkdtempSync(join(tmpdir(), 'datto-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const scene = new Scene(folder, mib * MIB);
  await buildTools(scene.at('tools'));
  makeFiles(folder, mib * MIB, cases);
  console.log(`Image of ${mib} MiB in ${tmpdir()}, cold page cache, ${rounds} rounds`);
  for (const which of cases) {
    const { title, baseline, aims, aimIsSynced } = CASES[which];
    const blocks = changedBlocks(which, mib * 256);
    for (const synced of which === 'whole' ? [true] : [false, true]) {
      const times = measure(scene, which, synced, rounds);
      const until = synced ? 'until it is on disk' : 'until it is copied: nobody waits for the disk to write';
      printTimes(`${title}, ${blocks.length} blocks; ${until}`, times, baseline, synced === aimIsSynced ? aims : {});
    }
    if (which === 'whole') scene.requireEqual();
  }
  console.log(`
"ratio" is the baseline's time divided by the contender's in the same round, the median over the rounds; above 1 is faster. The
start of the program is in it. "the limit" is the start of an empty Node program, and a C program that does what update-img does to
copy, by the same system calls, and nothing else. On a busy machine
a process that waits for every block is slowed by each wait for a CPU: \`chrt -f 10 npm run bench -- update\` measures past the others.
One block at a time is what the classic tool does; it does not wait for the disk, so its aims are
for the time without. With that time, all contenders wait for the same writes, and the disk's own limit is what is left: 20,000
blocks read and 20,000 written, at as many requests per second as it takes.`);
  return true;
};
