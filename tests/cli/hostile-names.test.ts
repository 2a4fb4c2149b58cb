import { copyFileSync, mkdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAKES as BACKUP_FAKES, makeMachine, VOLUME } from './backup-scene.js';
import type { Fakes, Outcome, Tool } from './tool.js';
import { at, runTool } from './tool.js';
import { COW, FAKES, IMAGE, makeScene, SNAP, SNAPSHOT } from './update-scene.js';

/** A line of its own, a colour, and a change of direction. */
const HOSTILE = 'a\n0 rotten\u001b[31m\u202e';
const SHOWN = 'a\\x0a0 rotten\\x1b[31m\\u{202e}';
const hostile = (name: string): string => at(`${HOSTILE}.${name}`);

/** Runs a tool on hostile names, which must be shown, on the line of what is about them. */
const assertShown = (tool: Tool, args: readonly string[], fakes: Fakes = {}): void => {
  const { stdout, stderr }: Outcome = runTool(tool, args, fakes);
  const where = `${tool} ${args[0]}: ${JSON.stringify(stdout + stderr)}`;
  assert.ok((stdout + stderr).includes(SHOWN), where);
  assert.not.match(stdout + stderr, /[^\P{Cc}\n]|[\u202e]|^0 rotten/mu, where);
};

test('names with line ends and controls are shown on one line by every tool', () => {
  makeScene();
  for (const [path, name] of [
    [COW, 'cow'],
    [IMAGE, 'image'],
    [SNAP, 'snap'],
  ] as const)
    copyFileSync(path, hostile(name));
  const [cow, image, missing] = ['cow', 'image', 'missing'].map(hostile) as [string, string, string];
  assertShown('datto-inspect', ['info', '--image', image, cow]);
  assertShown('datto-inspect', ['check', cow]);
  assertShown('datto-inspect', ['diff', cow, COW]);
  assertShown('datto-inspect', ['info', missing]);
  assertShown('datto-inspect', ['report', '-o', hostile('page'), cow]);
  assertShown('datto-verify', ['manifest', image]);
  assertShown('datto-verify', ['scrub', missing]);
  assertShown('update-img', ['--status', image], FAKES);
  assertShown('update-img', ['--rollback', image], FAKES);
  assertShown('update-img', [SNAPSHOT, COW, missing], FAKES);
  // It fails at a block, and names the image when it resumes.
  runTool('update-img', [SNAPSHOT, COW, image], { ...FAKES, FAKE_BAD_READ: '8192' });
  assertShown('update-img', [SNAPSHOT, COW, image], FAKES);
});

test('so is the folder of a backup', () => {
  makeMachine();
  const folder = hostile('folder');
  mkdirSync(folder);
  assertShown('datto-backup', [VOLUME, folder], BACKUP_FAKES);
  assertShown('datto-backup', [VOLUME, hostile('missing')], BACKUP_FAKES);
});

test.run();
