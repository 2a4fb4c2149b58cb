/**
 * What tracking costs, in a virtual machine, as ratios to no module at all.
 *
 * All in one run and one boot; each figure is the median over the rounds of the ratio within a round. Also tells where the
 * time goes: CPU time per operation, and the disk's reads and writes per operation.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule, buildPrograms, modulePath, programsDir } from '../vm/build.js';
import { cacheDir, type Kernel, projectDir } from '../vm/kernels.js';
import { runMachine } from '../vm/machine.js';
import { failure } from '../vm/verdict.js';
import { median } from './figures.js';

/** One line of the guest's output. */
interface Figure {
  readonly round: number;
  readonly state: string;
  readonly kind: string;
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
  readonly reads: number;
  readonly writes: number;
  readonly blocks: number;
}

const STATES: Readonly<Record<string, string>> = {
  none: 'no module',
  fresh: 'fresh snapshot',
  copied: 'blocks already copied',
  incremental: 'incremental',
  'dm-fresh': 'dm-snapshot, fresh',
  'dm-copied': 'dm-snapshot, copied',
};
const KINDS: Readonly<Record<string, string>> = {
  qd1: '4 KiB random writes, depth 1',
  qd32: '4 KiB random writes, depth 32',
  sequential: '1 MiB sequential writes',
  read: '1 MiB sequential reads of the snapshot',
};
/** Ratios that are aimed at; dm-snapshot's own figure stands for the fresh snapshot. */
const AIMS: Readonly<Record<string, number>> = { copied: 0.9, incremental: 0.9 };
const READ_AIM = 0.85;

class Results {
  constructor(private readonly figures: readonly Figure[]) {}

  of(state: string, kind: string): readonly Figure[] {
    return this.figures.filter((f) => f.state === state && f.kind === kind);
  }

  /** Median over rounds of (this state / no module, in the same round); undefined where the pair was not measured. */
  ratio(state: string, kind: string): number | undefined {
    const ratios = this.of(state, kind).flatMap((f) => {
      const base = this.of('none', kind).find((b) => b.round === f.round);
      return base ? [f.perSecond / base.perSecond] : [];
    });
    return ratios.length > 0 ? median(ratios) : undefined;
  }

  median(
    state: string,
    kind: string,
    field: 'perSecond' | 'cpuMicroseconds' | 'reads' | 'writes' | 'blocks',
  ): number | undefined {
    const values = this.of(state, kind).map((f) => f[field]);
    return values.length > 0 ? median(values) : undefined;
  }
}

function aim(results: Results, state: string, kind: string): string {
  const ratio = results.ratio(state, kind);
  if (ratio === undefined || state === 'none' || state.startsWith('dm')) return '';
  const wanted = kind === 'read' ? READ_AIM : state === 'fresh' ? results.ratio('dm-fresh', kind) : AIMS[state];
  if (wanted === undefined) return '';
  return `${ratio >= wanted ? 'reached' : 'MISSED'} (aim ${wanted.toFixed(2)})`;
}

function print(results: Results): void {
  for (const [kind, title] of Object.entries(KINDS)) {
    console.log(`\n${title}`);
    console.log(
      `  ${'state'.padEnd(24)}${'per second'.padStart(12)}${'ratio'.padStart(8)}${'CPU µs'.padStart(10)}${'reads'.padStart(8)}${'writes'.padStart(8)}${'blocks'.padStart(8)}  `,
    );
    for (const [state, name] of Object.entries(STATES)) {
      const perSecond = results.median(state, kind, 'perSecond');
      if (perSecond === undefined) continue;
      const cell = (field: 'cpuMicroseconds' | 'reads' | 'writes' | 'blocks', digits: number, width: number): string =>
        results.median(state, kind, field)!.toFixed(digits).padStart(width);
      console.log(
        `  ${name.padEnd(24)}${perSecond.toFixed(0).padStart(12)}${results.ratio(state, kind)!.toFixed(2).padStart(8)}` +
          `${cell('cpuMicroseconds', 0, 10)}${cell('reads', 2, 8)}${cell('writes', 2, 8)}${cell('blocks', 1, 8)}  ${aim(results, state, kind)}`,
      );
    }
  }
  console.log(`
"per second" counts operations of the size named; "ratio" is to "no module" in the same round. CPU time is that of the whole
machine, per operation, emulated: on real hardware it is many times less, while the disk (a file in this machine's memory)
is as fast as it gets, so CPU time weighs more here than anywhere else. Reads, writes and blocks of 4 KiB are those of the
volume's disk, per operation: a fresh block costs one read of the old content and one write of the copy, which neighbours
share where they are copied together; dm-snapshot's copies go to a second disk and are not counted. What the ratio loses
and the disk's columns do not explain is CPU time: see its column.

Where an aim may be missed. Sequential writes on a fresh snapshot: all three transfers of a block (old content, copy, new content)
go through the one disk that the volume has, two of dm-snapshot's; and the core gives each of the 256 blocks of a write its index
entry. Reads of copied blocks: the core looks up the position of each of the 256 blocks, which an emulated CPU takes some 70 µs for.`);
}

/** Measures and prints. Returns false if the run failed. */
export async function tracking(on: Kernel): Promise<boolean> {
  await buildPrograms();
  await buildModule(on, false);
  const rounds = process.env.ROUNDS ?? '3';
  console.log(`Linux ${on.release}, 2 emulated CPUs, ext4 of 1 GiB, ${rounds} rounds`);
  const outcome = await runMachine({
    kernel: on,
    script: join(projectDir, 'tests/bench/tracking.sh'),
    env: { FS: 'ext4', PROGRAMS: programsDir, DATTOBD_KO: modulePath(on, false), ROUNDS: rounds },
    diskMib: [1024, 1024],
    memoryMib: 3072,
    cpus: 2,
    limitSeconds: 2400,
    outDir: join(cacheDir, 'vm', 'bench'),
    onLog: () => process.stdout.write('.'),
  });
  console.log();
  const figures = outcome.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Figure);
  print(new Results(figures));
  mkdirSync(join(projectDir, 'build'), { recursive: true });
  writeFileSync(join(projectDir, 'build/bench.json'), JSON.stringify({ kernel: on.release, figures }, null, 1));
  const failed = failure(outcome);
  if (failed !== undefined) console.log(`\nThe run failed: ${failed.why}`);
  return failed === undefined;
}
