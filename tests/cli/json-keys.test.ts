import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { commandsOf, optionsOf, toolProgram } from '../../scripts/tool-programs.js';
import { makeInputs, nameOf, type Row, rows } from './conformance.js';
import { at, runTool } from './tool.js';
import { BLOCK, IMAGE, makeScene, run, update } from './update-scene.js';

const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
/** Old keys, printed for one version beside the new ones. */
const DEPRECATED: Readonly<Record<string, string>> = { changedBlocks: 'changed_blocks' };

const keysOf = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, below]) => [...(Array.isArray(value) ? [] : [key]), ...keysOf(below)]);

/** The object that a tool printed, or one on each line. */
const objectsIn = (stdout: string): unknown[] => {
  try {
    return [JSON.parse(stdout)];
  } catch {
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }
};

const found = new Set<string>();

const assertKeys = (stdout: string, where: string): void => {
  const keys = objectsIn(stdout).flatMap(keysOf);
  assert.ok(keys.length > 0, where);
  for (const key of keys) {
    found.add(key);
    const renamed = DEPRECATED[key];
    if (renamed === undefined) assert.match(key, SNAKE_CASE, where);
    else assert.ok(keys.includes(renamed), `${where}: ${renamed}`);
  }
};

const takesJson = async ({ tool, command }: Row): Promise<boolean> => {
  const program = await toolProgram(tool);
  const sub = commandsOf(program).find((candidate) => candidate.name() === command[0]);
  return optionsOf(sub ?? program).some(({ long }) => long === '--json');
};

for (const row of rows) {
  if (!(await takesJson(row))) continue;
  const name = nameOf(row);
  test(`${name}: keys of --json`, () => {
    makeInputs(row);
    const { args, fakes } = row.run(row.inputs, at('output'));
    const { status, stdout, stderr } = runTool(row.tool, [...row.command, '--json', ...args], fakes);
    assert.is(status, row.refused ?? 0, stderr);
    assertKeys(stdout, name);
    const refused = runTool(row.tool, [...row.command, '--json', ...args.slice(0, -1), at('missing')], fakes);
    if (refused.stdout.startsWith('{')) assertKeys(refused.stdout, `${name}, refused`);
  });
}

test('the state of an image has a deprecated key, and the one that replaces it', () => {
  makeScene();
  const failed = update({ FAKE_BAD_READ: `${2 * BLOCK}` }, ['--json']);
  assert.is(failed.status, 5);
  assertKeys(failed.stdout, 'failed');
  const { stdout } = run(['--status', '--json', IMAGE]);
  assertKeys(stdout, 'status');
  const { state, changed_blocks: changed, changedBlocks: old } = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal([state, changed, old], ['UPDATING', 3, 3]);
});

test('all of this was looked at', () => {
  const some = ['punched_bytes', 'volume_bytes', 'compared_blocks', 'rotten_blocks', 'flag_names', 'devices', 'errno'];
  for (const key of [...some, ...Object.keys(DEPRECATED)]) assert.ok(found.has(key), key);
});

test.run();
