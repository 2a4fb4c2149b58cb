import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dattoBackup } from '../../cli/datto-backup.js';
import { dattoInspect } from '../../cli/datto-inspect.js';
import { dattoReceive } from '../../cli/datto-receive.js';
import { dattoRestore } from '../../cli/datto-restore.js';
import { dattoVerify } from '../../cli/datto-verify.js';
import { dbdctl } from '../../cli/dbdctl.js';
import type { Tool } from '../../cli/terminal/process.js';
import { updateImg } from '../../cli/update-img.js';
import { tools } from '../../scripts/build-cli.js';

const RUNS: Readonly<Record<string, readonly [tool: Tool, usage: number]>> = {
  dbdctl: [dbdctl, 255],
  'update-img': [updateImg, 22],
  'datto-inspect': [dattoInspect, 2],
  'datto-verify': [dattoVerify, 22],
  'datto-backup': [dattoBackup, 22],
  'datto-restore': [dattoRestore, 22],
  'datto-receive': [dattoReceive, 22],
};

test('a tool that is imported does not run', () => {
  // The imports above have run none: each would have set the status of this process.
  assert.is(process.exitCode, undefined);
  assert.equal(Object.keys(RUNS), tools);
});

test('a tool that is called prints to its streams and returns its exit status', () => {
  for (const [name, [tool, usage]] of Object.entries(RUNS)) {
    let [out, err] = ['', ''];
    const streams = { out: (text: string) => (out += text), err: (text: string) => (err += text), interactive: false };
    assert.is(tool(['--version'], streams), 0, name);
    assert.match(out, /^unbuilt\n$/, name);
    assert.is(err, '', name);
    assert.is(tool([], streams), usage, name);
  }
  assert.is(process.exitCode, undefined);
});

test('each tool has an entry file, and no other is there', () => {
  const folder = fileURLToPath(new URL('../../cli/bin', import.meta.url));
  assert.equal(readdirSync(folder).sort(), tools.map((name) => `${name}.ts`).sort());
});

test.run();
