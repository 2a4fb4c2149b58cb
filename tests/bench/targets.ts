/** Restore points beside the engine's own way: a full one as qcow2 and qemu-img convert, an increment in a Ceph cluster and rbd import-diff. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockRun } from '../../host/cow/runs.js';
import { toPieces } from '../../host/cow/runs.js';
import { OpenFile } from '../../host/system/files.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { copyToPoint } from '../../host/targets/copy-to-point.js';
import { Qcow2Target } from '../../host/targets/qcow2.js';
import { RbdTarget } from '../../host/targets/rbd/target.js';
import type { Point, Target } from '../../host/targets/target.js';
import { startCluster } from '../ceph/cluster.js';
import { printTimes } from './figures.js';
import { changedBlocks, makeFiles } from './update-files.js';

const MIB = 1048576;
const BLOCK = 4096;
/** Of one object of an image. */
const OBJECT_BLOCKS = 1024;
const AIM = 0.77;
const SERIES = 'b'.repeat(32);
const syscalls = nativeSyscalls();

const run = (program: string, ...args: readonly string[]): void =>
  void execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });

const forget = (path: string): void => {
  const fd = openSync(path, 'r+');
  fsyncSync(fd);
  syscalls.adviseDontNeed(fd);
  closeSync(fd);
};

/** Milliseconds of a call that does not find the snapshot in memory. */
const time = (snapshot: string, call: () => void): number => {
  forget(snapshot);
  const began = performance.now();
  call();
  return performance.now() - began;
};

/** Makes a point as datto-backup does, without the comparison, which the engines do not make. */
const makePoint = (
  target: Target,
  snapshot: string,
  sequence: number,
  runs: readonly BlockRun[],
  base?: Point,
): Point => {
  const file = OpenFile.open(snapshot, 'r');
  try {
    const bytes = Number(file.stat().size);
    const facts = { series: SERIES, sequence: BigInt(sequence), time: new Date(0), bytes };
    const writer = target.begin(facts, base);
    const options = { syscalls, pace: undefined, checkpointBytes: undefined, onProgress: () => undefined };
    copyToPoint(file, writer, toPieces(runs, bytes), options);
    writer.flush();
    return writer.commit();
  } finally {
    file.close();
  }
};

/** Times of contenders, round for round, in both orders; the first round is not counted. */
const measure = (
  rounds: number,
  contenders: Readonly<Record<string, (round: number) => number>>,
): Map<string, number[]> => {
  const all = Object.entries(contenders);
  const times = new Map(all.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, contender] of round % 2 === 0 ? all : [...all].reverse()) {
      const milliseconds = contender(round);
      if (round > 0) times.get(name)?.push(milliseconds);
    }
    process.stdout.write('.');
  }
  return times;
};

const full = (folder: string, snapshot: string, bytes: number, rounds: number): void => {
  const [image, points] = [join(folder, 'converted.qcow2'), join(folder, 'points')];
  const times = measure(rounds, {
    'qemu-img convert': () => {
      rmSync(image, { force: true });
      return time(snapshot, () => {
        run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', snapshot, image);
        run('sync', image);
      });
    },
    'a whole point': (round) => {
      rmSync(points, { recursive: true, force: true });
      mkdirSync(points, { mode: 0o700 });
      const target = new Qcow2Target(points, syscalls);
      return time(snapshot, () => void makePoint(target, snapshot, round + 1, [{ start: 0, count: bytes / BLOCK }]));
    },
  });
  const made = join(points, 'points', `${SERIES.slice(0, 8)}-${rounds + 1}.qcow2`);
  run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', snapshot, made);
  printTimes(`qcow2: all of ${bytes / MIB} MiB, until it is on disk`, times, 'qemu-img convert', {
    'a whole point': AIM,
  });
};

/** Changes the blocks of a file: each byte of them becomes another one. */
const change = (path: string, blocks: readonly number[]): void => {
  const file = OpenFile.open(path, 'r');
  const fd = openSync(path, 'r+');
  const data = Buffer.alloc(BLOCK);
  for (const block of blocks) {
    file.readFull(data, block * BLOCK);
    for (let at = 0; at < BLOCK; at++) data[at]! ^= 0xff;
    writeSync(fd, data, 0, BLOCK, block * BLOCK);
  }
  fsyncSync(fd);
  closeSync(fd);
  file.close();
};

const hasCeph = (): boolean => {
  const isThere = spawnSync('ceph-mon', ['--version']).status === 0;
  if (!isThere) console.log('rbd: not measured, as there is no Ceph; bash scripts/setup.sh --ceph installs it');
  return isThere;
};

/** Blocks that changed, by name: few at many places, where what a run costs beside its data counts, and half of the volume. */
const CHANGES: Readonly<Record<string, (nrBlocks: number) => number[]>> = {
  'runs of 64 KiB': (nrBlocks) => changedBlocks('runs', nrBlocks),
  'runs of 4 MiB': (nrBlocks) =>
    changedBlocks('whole', nrBlocks).filter((block) => Math.floor(block / OBJECT_BLOCKS) % 2 === 0),
};

const increment = async (
  folder: string,
  snapshot: string,
  bytes: number,
  rounds: number,
  which: string,
): Promise<void> => {
  const cluster = await startCluster();
  try {
    const before = join(folder, 'before');
    copyFileSync(snapshot, before);
    const blocks = CHANGES[which]!(bytes / BLOCK);
    change(snapshot, blocks);
    const target = new RbdTarget('rbd:rbd/points', syscalls);
    const runs = blocks.map((start) => ({ start, count: 1 }));
    const first = makePoint(target, before, 1, [{ start: 0, count: bytes / BLOCK }]);
    // Two contents take turns.
    let newest = makePoint(target, snapshot, 2, runs, first);
    // It holds what changed, and no more.
    const stream = join(folder, 'stream');
    rmSync(stream, { force: true });
    const [one, two] = [first, newest].map(({ name }) => `datto-${name}`) as [string, string];
    run('rbd', 'export-diff', '--no-progress', '--from-snap', one, `rbd/points@${two}`, stream);
    const makeOther = (): void => {
      run('rbd', 'import', '--no-progress', before, 'rbd/other');
      run('rbd', 'snap', 'create', '--no-progress', `rbd/other@${one}`);
    };
    const removeOther = (): void => {
      run('rbd', 'snap', 'purge', '--no-progress', 'rbd/other');
      run('rbd', 'rm', '--no-progress', 'rbd/other');
    };
    const times = measure(rounds, {
      'rbd import-diff': () => {
        makeOther();
        const milliseconds = time(stream, () => run('rbd', 'import-diff', '--no-progress', stream, 'rbd/other'));
        removeOther();
        return milliseconds;
      },
      'an incremental point': () => {
        const sequence = Number(newest.sequence) + 1;
        const content = sequence % 2 === 0 ? snapshot : before;
        const milliseconds = time(content, () => {
          newest = makePoint(target, content, sequence, runs, newest);
        });
        // The cluster's memory would be full: a point copies each object that it writes to.
        for (const old of target.points().slice(0, -1)) target.remove(old);
        return milliseconds;
      },
    });
    const exported = join(folder, 'exported');
    run('rbd', 'export', '--no-progress', `rbd/points@datto-${newest.name}`, exported);
    run('cmp', Number(newest.sequence) % 2 === 0 ? snapshot : before, exported);
    rmSync(exported);
    const changed = `${((blocks.length * BLOCK) / MIB).toFixed(0)} of ${bytes / MIB} MiB`;
    printTimes(`rbd: ${changed}, in ${which}`, times, 'rbd import-diff', { 'an incremental point': AIM });
  } finally {
    await cluster.stop();
  }
};

/** Measures and prints. BENCH_MIB: size of the volume; ROUNDS; TMPDIR must have room for four times the size, and memory for six. */
export const targets = async (): Promise<boolean> => {
  const mib = Number(process.env.BENCH_MIB ?? 1024);
  const rounds = Number(process.env.ROUNDS ?? 5);
  const folder = mkdtempSync(join(tmpdir(), 'datto-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const snapshot = join(folder, 'snap');
  makeFiles(folder, mib * MIB, []);
  console.log(`Volume of ${mib} MiB in ${tmpdir()}, cold page cache, ${rounds} rounds`);
  full(folder, snapshot, mib * MIB, rounds);
  if (hasCeph()) for (const which of Object.keys(CHANGES)) await increment(folder, snapshot, mib * MIB, rounds, which);
  console.log(`
"ratio" is the time of the engine's own way divided by ours in the same round, the median over the rounds; above 1 is faster. Our
points have sums of all blocks, and a run's locks and marks are in the time; the comparison with the snapshot is not. The stream of
import-diff lies ready; what made it is not in its time. The cluster is a monitor and an OSD in memory, on this machine.`);
  return true;
};
