/**
 * datto-backup killed before each change that it makes, one after another; then again during the run that heals.
 *
 * As a program: `tsx tests/cli/backup-kill-rounds.ts [stride] [seed]`, 1 for each change.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../host/copy/compare.js';
import {
  assertGood,
  backUp,
  FAKES,
  FOLDER,
  IMAGE,
  imageState,
  machine,
  makeMachine,
  VOLUME,
  writeVolume,
} from './backup-scene.js';
import type { Fakes } from './tool.js';
import { at, environment, runTool, toolPath } from './tool.js';

const STEPS = at('steps');

interface Mode {
  readonly name: string;
  /** Runs before the one that is killed. */
  readonly runs: number;
  readonly options: readonly string[];
  readonly fakes: Fakes;
  /** Whatever happens, an image that was complete can be had. */
  readonly safe: boolean;
}

const MODES: readonly Mode[] = [
  { name: 'first copy', runs: 0, options: ['--checkpoint', '1'], fakes: {}, safe: false },
  { name: 'changes', runs: 2, options: ['--checkpoint', '1'], fakes: {}, safe: false },
  { name: 'changes, clone', runs: 2, options: ['--manifest'], fakes: { FAKE_CLONE: '1' }, safe: true },
  { name: 'changes, undo log', runs: 2, options: ['--keep-previous', 'undo'], fakes: {}, safe: true },
  { name: 'whole copy', runs: 2, options: ['--whole', '--checkpoint', '1', '--manifest'], fakes: {}, safe: true },
];

export interface Tally {
  killed: number;
  healed: number;
  /** Killed a second time, while it was healing. */
  twice: number;
}

const runKilled = (mode: Mode, step: number): boolean => {
  const fakes = { ...FAKES, ...mode.fakes, FAKE_KILL_AT: `${step}` };
  const args = [...mode.options, VOLUME, FOLDER];
  return spawnSync(toolPath('datto-backup'), args, { env: environment(fakes) }).signal === 'SIGKILL';
};

/** What is said to be complete is so; and if that is promised, there is something that is, or a way back to it. */
const assertHonest = (mode: Mode, where: string): void => {
  if (!existsSync(`${IMAGE}.datto-state`)) return;
  const state = imageState();
  if (state.state !== 'CLEAN') {
    if (mode.safe) assert.ok(state.previous, `${where}: no way back`);
    return;
  }
  // Between the two names of a swap the image is the new one already, and its state lies beside it.
  const fresh = `${IMAGE}.new.datto-state`;
  const isSwapped = existsSync(fresh) && !existsSync(`${IMAGE}.new`);
  const known = isSwapped ? (JSON.parse(readFileSync(fresh, 'utf8')) as typeof state) : state;
  const content = readFileSync(machine(`snapshot-${known.series}-${known.sequence}`));
  assert.ok(readFileSync(IMAGE).equals(content), `${where}: ${JSON.stringify(known)}`);
};

const prepare = (mode: Mode): void => {
  makeMachine();
  for (let run = 0; run < mode.runs; run++) {
    backUp([], mode.fakes);
    writeVolume([7, 8, 300, 301, 900]);
  }
};

const countSteps = (mode: Mode): number => {
  prepare(mode);
  backUp(mode.options, { ...mode.fakes, FAKE_STEPS: STEPS });
  return Number(readFileSync(STEPS, 'utf8'));
};

const round = (mode: Mode, step: number, random: (below: number) => number, tally: Tally): void => {
  const where = `${mode.name}, killed before change ${step}`;
  prepare(mode);
  assert.ok(runKilled(mode, step), where);
  tally.killed++;
  assertHonest(mode, where);
  writeVolume([8, 9, 1000]);
  if (random(3) === 0 && runKilled(mode, 1 + random(30))) {
    tally.twice++;
    assertHonest(mode, `${where}, twice`);
    writeVolume([10]);
  }
  backUp(mode.options, mode.fakes);
  tally.healed++;
  assertGood(where);
  if (mode.options.includes('--manifest')) assert.is(runTool('datto-verify', ['scrub', IMAGE]).status, 0, where);
};

/**
 * Kills before every so-manieth change, beginning with a random one.
 *
 * @throws Error at the first folder that is not what it must be
 */
export const killBackups = (stride: number, seed: number): Tally => {
  const random = randomNumbers(seed);
  const tally: Tally = { killed: 0, healed: 0, twice: 0 };
  for (const mode of MODES) {
    const steps = countSteps(mode);
    for (let step = 1 + random(stride); step <= steps; step += stride) round(mode, step, random, tally);
  }
  return tally;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [stride = '1', seed = `${Date.now() % 2 ** 32}`] = process.argv.slice(2);
  console.log(`seed ${seed}`);
  console.log(killBackups(Number(stride), Number(seed)));
}
