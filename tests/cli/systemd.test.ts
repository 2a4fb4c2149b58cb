import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { toolProgram } from '../../scripts/tool-programs.js';

const source = fileURLToPath(new URL('../../docs/systemd/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'datto-systemd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** The units, with programs that are there, and one line changed. */
const writeUnits = (change: (text: string) => string = (text) => text): string[] =>
  readdirSync(source).map((name) => {
    const path = join(folder, name.replace('@', '@data'));
    const text = readFileSync(join(source, name), 'utf8').replace(/^(ExecStart\w*)=\/\S+/gm, '$1=/bin/true');
    writeFileSync(path, change(text));
    return path;
  });

const verify = (units: readonly string[]): { status: number | null; stderr: string } => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, SYSTEMD_UNIT_PATH: `${folder}:` },
  });
  return { status, stderr };
};

if (hasSystemd) {
  test('systemd finds nothing wrong with the service and the timer', () => {
    assert.equal(verify(writeUnits()), { status: 0, stderr: '' });
  });

  test('systemd would find a wrong line', () => {
    const { stderr } = verify(writeUnits((text) => text.replace('OnCalendar=*-*-*', 'OnCalendar=never')));
    assert.match(stderr, /calendar specification/);
  });
}

test('the service runs datto-backup with options that it has', async () => {
  const text = readFileSync(join(source, 'datto-backup@.service'), 'utf8');
  const command = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? '';
  assert.match(command, /^\/usr\/local\/bin\/datto-backup .*\$\{VOLUME\} \$\{FOLDER\}$/);
  const options = (await toolProgram('datto-backup')).options.map(({ long }) => long);
  for (const option of text.match(/--[a-z-]+/g) ?? []) assert.ok(options.includes(option), option);
});

test.run();
