import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineName } from './volume.js';
import * as volume from './volume.js';

const KILLS = Number(process.env.CHUNK_KILLS ?? 5);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const ENGINES = (process.env.ENGINES ?? 'restic borg').split(' ') as EngineName[];
/** As long as a round of chunk-run.ts takes, roughly. */
const ROUND_MS = 12_000;
volume.setPasswords();

type Victim = 'tool' | 'view' | 'engine';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const childrenOf = (pid: number): number[] =>
  textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);

/** A process below the tool, once there is one; undefined if the tool ends before. */
const findVictim = async (tool: number, name: string): Promise<number | undefined> => {
  while (existsSync(`/proc/${tool}`)) {
    const found = childrenOf(tool).find((pid) => textOf(`/proc/${pid}/comm`).trim() === name);
    if (found !== undefined) return found;
    await setTimeout(1);
  }
  return undefined;
};

/** Nothing of a run is left mounted once the next one has begun. */
const mountsBelow = (folder: string): string[] =>
  textOf('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(`${folder}/`));

const killRound = async (engine: EngineName, folder: string, victim: Victim): Promise<void> => {
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const program = fileURLToPath(new URL('chunk-run.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', loader, program, engine, folder, `${SEED}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  await setTimeout(Math.random() * ROUND_MS);
  if (victim === 'tool') child.kill('SIGKILL');
  else {
    const pid = await findVictim(child.pid ?? 0, victim === 'view' ? 'chunkview' : engine);
    // Somewhere while it works.
    await setTimeout(Math.random() * 500);
    if (pid !== undefined && existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    // A run whose view had ended by then has what it needs.
    await Promise.race([exit, setTimeout(2 * ROUND_MS)]);
    if (child.exitCode !== null) assert.ok(child.exitCode !== 0 && said !== '', said);
    child.kill('SIGKILL');
  }
  await exit;
};

for (const engine of ENGINES)
  test(`${engine}: after each kill, points are their snapshots, and the next run makes another`, async () => {
    const folder = volume.scratchFolder();
    volume.makeRepository(engine, join(folder, 'repository'));
    const target = volume.targetIn(engine, folder);
    for (let round = 0; round < KILLS; round++)
      for (const victim of ['tool', 'view', 'engine'] as const) {
        await killRound(engine, folder, victim);
        for (const point of target.points().slice(-2)) volume.requireRight(target, point);
      }
    volume.backUp(target, folder, SEED, (volume.sequences(target).at(-1) ?? 0) + 1);
    for (const point of target.points()) volume.requireRight(target, point);
    assert.equal(mountsBelow(folder), []);
    const [state] = readdirSync(join(folder, 'state', 'chunks'));
    const left = readdirSync(join(folder, 'state', 'chunks', state!)).filter((name) => name !== 'cache');
    assert.equal(left.sort(), ['lock', 'times', 'view']);
  });

test.run();
