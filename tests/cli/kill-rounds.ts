/**
 * update-img killed at random points: before any change to a file, in the middle of a write, or whenever it happens.
 *
 * As a program: `tsx tests/cli/kill-rounds.ts [rounds] [seed]`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../host/copy/compare.js';
import type { Fakes } from './tool.js';
import { at, environment, runTool, toolPath } from './tool.js';
import { BLOCK, COW, expected, FAKES, IMAGE, makeScene, SNAPSHOT } from './update-scene.js';

const NR_BLOCKS = 1024;
const STEPS = at('steps');

interface Mode {
  readonly name: string;
  readonly options: readonly string[];
  readonly fakes: Fakes;
}

const MODES: readonly Mode[] = [
  { name: 'nothing kept', options: [], fakes: {} },
  { name: 'safety clone', options: [], fakes: { FAKE_CLONE: '1' } },
  { name: 'undo log', options: ['--keep-previous'], fakes: {} },
  { name: 'clone', options: ['--keep-previous'], fakes: { FAKE_CLONE: '1' } },
  { name: 'direct', options: ['--direct'], fakes: {} },
  { name: 'direct, undo log', options: ['--direct', '--depth', '3', '--keep-previous'], fakes: {} },
];

/** Numbers of how often what happened, to see that the rounds reach what they should. */
export interface Tally {
  readonly killed: number;
  readonly untouched: number;
  readonly mixed: number;
  readonly resumed: number;
  readonly rolledBack: number;
}

type Counts = { -readonly [Name in keyof Tally]: number };

const status = (): { state?: string; sequence?: number; known: boolean; previous?: unknown } =>
  JSON.parse(runTool('update-img', ['--status', '--json', IMAGE]).stdout) as ReturnType<typeof status>;

/** Runs update-img so that it dies at a random moment. Returns false if it was too quick. */
const runKilled = async (
  args: readonly string[],
  fakes: Fakes,
  steps: number,
  milliseconds: number,
  random: (below: number) => number,
): Promise<boolean> => {
  if (random(4) > 0) {
    const fate: Fakes = { ...fakes, FAKE_KILL_AT: `${1 + random(steps)}` };
    const { signal } = spawnSync(toolPath('update-img'), args, { env: environment(fate), encoding: 'utf8' });
    return signal === 'SIGKILL';
  }
  const child = spawn(toolPath('update-img'), args, { env: environment(fakes), stdio: 'ignore' });
  const ended = new Promise<boolean>((resolve) => child.on('exit', (_code, signal) => resolve(signal === 'SIGKILL')));
  setTimeout(() => child.kill('SIGKILL'), random(milliseconds));
  return ended;
};

/** Steps and time of a run that nothing disturbs. */
const measure = (args: readonly string[], fakes: Fakes): { steps: number; milliseconds: number } => {
  const began = Date.now();
  const outcome = runTool('update-img', args, { ...fakes, FAKE_STEPS: STEPS });
  assert.is(outcome.status, 0, outcome.stderr);
  return { steps: Number(readFileSync(STEPS, 'utf8')), milliseconds: Date.now() - began };
};

/** A scene whose snapshot has zeros, so that some of what changes becomes holes. */
const randomScene = (random: (below: number) => number): { old: Buffer; updated: Buffer } => {
  const blocks = new Set<number>();
  for (let run = 0; run < 12; run++) {
    const start = random(NR_BLOCKS);
    const end = Math.min(NR_BLOCKS, start + 1 + random(60));
    for (let block = start; block < end; block++) blocks.add(block);
  }
  const sorted = [...blocks].sort((a, b) => a - b);
  const scene = makeScene({ nrSectors: NR_BLOCKS * 8, entries: sorted.map((block) => [block, 1n] as const) });
  const [from, to] = [random(NR_BLOCKS / 2), NR_BLOCKS / 2 + random(NR_BLOCKS / 2)];
  scene.snapshot.fill(0, from * BLOCK, to * BLOCK);
  scene.image.fill(0, (NR_BLOCKS - to) * BLOCK, (NR_BLOCKS - from) * BLOCK);
  writeFileSync(at('snap'), scene.snapshot);
  writeFileSync(IMAGE, scene.image);
  return { old: scene.image, updated: expected(scene, sorted) };
};

const scrubIsClean = (where: string): void => {
  const { status: code, stdout, stderr } = runTool('datto-verify', ['scrub', IMAGE]);
  assert.is(code, 0, `${where}: ${stdout}${stderr}`);
};

const round = async (number: number, mode: Mode, random: (below: number) => number, tally: Counts): Promise<void> => {
  const where = `round ${number}, ${mode.name}`;
  const fakes = { ...FAKES, ...mode.fakes };
  const args = [...mode.options, '--checkpoint', '1', SNAPSHOT, COW, IMAGE];
  const { old, updated } = randomScene(random);
  const { status: made, stderr } = runTool('datto-verify', ['manifest', IMAGE]);
  assert.is(made, 0, stderr);
  // The same scene once to its end, to know how long that is; then back to where it was.
  const { steps, milliseconds } = measure(args, fakes);
  assert.ok(readFileSync(IMAGE).equals(updated), where);
  if (mode.options.includes('--keep-previous')) {
    const back = runTool('update-img', ['--rollback', IMAGE], fakes);
    assert.is(back.status, 0, `${where}: ${back.stderr}`);
  } else {
    writeFileSync(IMAGE, old);
    spawnSync('rm', [`${IMAGE}.datto-state`]);
    runTool('datto-verify', ['manifest', IMAGE]);
  }
  assert.ok(readFileSync(IMAGE).equals(old), `${where}: rollback`);
  scrubIsClean(`${where}: rollback`);

  if (await runKilled(args, fakes, steps, milliseconds, random)) tally.killed++;
  const left = status();
  const image = readFileSync(IMAGE);
  if (left.state !== 'UPDATING') {
    // What is not said to be a mixture must be one of the two, and be said to be that one.
    assert.ok(image.equals(left.sequence === 2 ? updated : old), `${where}: ${JSON.stringify(left)}`);
    tally.untouched++;
  } else if (!image.equals(old) && !image.equals(updated)) {
    tally.mixed++;
  }
  if (left.previous !== undefined && random(2) === 0) {
    const back = ['--rollback', IMAGE];
    if (random(2) === 0) await runKilled(back, fakes, 12, milliseconds, random);
    // One that was complete when it should have been killed has nothing left to do.
    const isDone = status().state === 'CLEAN' && status().sequence === 1 && status().previous === undefined;
    const outcome = runTool('update-img', back, fakes);
    if (!isDone) assert.is(outcome.status, 0, `${where}: ${outcome.stderr}`);
    assert.ok(readFileSync(IMAGE).equals(old), `${where}: rolled back`);
    assert.is(status().sequence, 1, where);
    tally.rolledBack++;
  } else {
    const outcome = runTool('update-img', args, fakes);
    assert.is(outcome.status, 0, `${where}: ${outcome.stderr}`);
    assert.ok(readFileSync(IMAGE).equals(updated), `${where}: resumed`);
    assert.equal([status().state, status().sequence], ['CLEAN', 2], where);
    tally.resumed++;
  }
  scrubIsClean(where);
};

/**
 * Kills so many times.
 *
 * @throws Error at the first image that is not what it must be
 */
export const killRounds = async (count: number, seed: number): Promise<Tally> => {
  const random = randomNumbers(seed);
  const tally: Counts = { killed: 0, untouched: 0, mixed: 0, resumed: 0, rolledBack: 0 };
  for (let number = 0; number < count; number++) {
    const mode = MODES[number % MODES.length];
    if (mode) await round(number, mode, random, tally);
  }
  return tally;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = '200', seed = `${Date.now() % 2 ** 32}`] = process.argv.slice(2);
  console.log(`seed ${seed}`);
  console.log(await killRounds(Number(count), Number(seed)));
}
