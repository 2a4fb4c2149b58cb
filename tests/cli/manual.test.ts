import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ToolManual } from '../../manual/manual.js';
import { tools } from '../../scripts/build-cli.js';
import { generated, toolManual, topics } from '../../scripts/generate-manual.js';
import { commandsOf, toolProgram } from '../../scripts/tool-programs.js';
import { makeCowFile, UUID } from '../host/cow-maker.js';
import { backUp } from '../host/restore/points.js';
import { at, readLog } from './tool.js';

const pathOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const files = await generated();
const manuals = new Map<string, ToolManual>();
for (const tool of tools) manuals.set(tool, await toolManual(tool));

test('manual and completions are what the definitions say, and nothing else is there', () => {
  for (const [path, text] of files) assert.is(readFileSync(pathOf(path), 'utf8'), text, `${path}: run npm run manual`);
  const found = ['docs/man', 'docs/completion'].flatMap((folder) =>
    readdirSync(pathOf(folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name),
  );
  assert.equal(found.sort(), files.map(([path]) => path.split('/').at(-1)).sort());
});

test('each tool has a page, and texts only for sub-commands that it has', async () => {
  for (const tool of tools) {
    const names = commandsOf(await toolProgram(tool)).map((command) => command.name());
    assert.equal(
      Object.keys(manuals.get(tool)?.commands ?? {}).filter((name) => !names.includes(name)),
      [],
      tool,
    );
  }
  // The texts of dbdctl are complete.
  const names = commandsOf(await toolProgram('dbdctl')).map((command) => command.name());
  assert.equal(Object.keys(manuals.get('dbdctl')?.commands ?? {}), names);
});

for (const [path] of files.filter(([name]) => name.startsWith('docs/man/'))) {
  test(`man renders ${path} without a warning, in 80 columns`, () => {
    const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', pathOf(path)], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANROFFSEQ: '', MANWIDTH: '80', GROFF_NO_SGR: '1' },
    });
    assert.equal({ status, stderr }, { status: 0, stderr: '' });
    // Bold and italic are overstrikes.
    const lines = stdout.replace(/.\u0008/gu, '').split('\n');
    assert.ok(lines.includes('NAME') && lines.includes('DESCRIPTION'));
    assert.equal(
      lines.filter((line) => line.length > 80),
      [],
    );
    assert.not.match(lines.join('\n'), /`|\\f|undefined/);
  });
}

// The examples, in the order of the page, with a driver made up by fake-kernel.c.

const SNAPSHOT_BYTES = 2 ** 20;
const [SNAP, INFO, LOG, STATUS] = [at('snap'), at('info'), at('log'), at('status')];

const makeScene = (): void => {
  for (const folder of ['data', 'backup']) {
    rmSync(at(folder), { recursive: true, force: true });
    mkdirSync(at(folder));
  }
  readLog(LOG);
  writeFileSync(SNAP, Buffer.alloc(SNAPSHOT_BYTES, 0x5a));
  writeFileSync(at('backup/data.img'), '');
  truncateSync(at('backup/data.img'), SNAPSHOT_BYTES);
  makeCowFile(at('data/.datto0'), {
    nrSectors: SNAPSHOT_BYTES / 512,
    entries: Array.from({ length: SNAPSHOT_BYTES / 4096 }, (_, block) => [block, 1n] as const),
  });
  const info = Buffer.alloc(8272);
  info.writeUInt32LE(7, 0);
  info.writeBigUInt64LE(3n, 8);
  info.writeBigUInt64LE(2n, 40);
  UUID.copy(info, 48);
  info.write('/dev/nonexistent', 4160);
  writeFileSync(INFO, info);
  writeFileSync(STATUS, '{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n');
};

const examplesOf = (page: string): string[] =>
  (manuals.get(page) ?? topics.find(({ name }) => name === page))!.sections
    .filter(({ title }) => title === 'EXAMPLES')
    .flatMap(({ blocks }) => blocks)
    .flatMap((block) => (typeof block === 'object' && 'example' in block ? block.example : []));

/** Runs lines as one script, its paths moved to the tests' folder. */
const runScript = (script: readonly string[], prepare = (): void => undefined): string[] => {
  makeScene();
  prepare();
  const lines = script.map((line) =>
    line.replaceAll('/dev/datto0', '/dev/datto7').replace(/(?<= |=)\/(data|backup)\//g, `${at('')}/$1/`),
  );
  const functions = tools.map((name) => `${name}() { ${at('tools')}/${name}.mjs "$@"; }`);
  execFileSync('bash', ['--norc', '-e', '-c', [...functions, ...lines].join('\n')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      LD_PRELOAD: at('fake-kernel.so'),
      FAKE_DRIVER: '1',
      FAKE_SNAPSHOT: SNAP,
      FAKE_INFO: INFO,
      FAKE_STATUS: STATUS,
      FAKE_LOG: LOG,
    },
  });
  return readLog(LOG).map((line) => line.replaceAll(at(''), ''));
};

const runExamples = (tool: string): string[] => runScript(examplesOf(tool));

test('the examples of dbdctl(8) work, and ask the driver for what they say', () => {
  assert.equal(runExamples('dbdctl'), [
    '1 /dev/sda1 /data/.datto0 0 0 0',
    '5 0',
    '6 /data/.datto1 0 0',
    '8',
    '5 0',
    '12 flags 0 | /dev/sda1 /a/.cow 0 0 0 | /dev/sdb1 /b/.cow 0 0 1',
    '1 /dev/sda1 /data/.datto0 2048 104857600 0',
    '11 512 1024 0',
    '3 /dev/sda1 /.datto0 0 0',
    '4 0',
  ]);
});

test('the examples of update-img(8) work, and bring the image up to the snapshot and back', () => {
  const rollback = examplesOf('update-img').findIndex((line) => line.includes('--rollback'));
  assert.ok(rollback > 0);
  assert.equal(runScript(examplesOf('update-img').slice(0, rollback)).slice(0, 1), ['6 /data/.datto1 0 0']);
  assert.ok(readFileSync(at('backup/data.img')).equals(readFileSync(SNAP)));
  assert.equal(readdirSync(at('data')), []);
  runExamples('update-img');
  assert.ok(readFileSync(at('backup/data.img')).equals(Buffer.alloc(SNAPSHOT_BYTES)));
});

test('the examples of datto-verify(1) work', () => {
  // The image is made equal to the snapshot first, and there is a restore point.
  const copy = 'update-img /dev/datto0 /data/.datto0 /backup/data.img';
  const prepare = (): void => void backUp(at('backup/data'), SNAP, 1);
  assert.equal(runScript([copy, ...examplesOf('datto-verify')], prepare), ['8']);
});

test('the examples of datto-inspect(1) work, and ask the driver for nothing', () => {
  assert.equal(runExamples('datto-inspect'), []);
  assert.match(readFileSync(at('backup/changes.svg'), 'utf8'), /<svg/);
  assert.match(readFileSync(at('backup/data.bmap'), 'utf8'), /<bmap/);
});

test('the examples of datto(5) work', () => {
  assert.equal(runExamples('datto'), []);
});

test('each page of a tool tells every exit status in a table', () => {
  for (const [path, text] of files.filter(([name]) => /^docs\/man\/.*\.[18]$/.test(name))) {
    assert.match(text, /\n\.SH EXIT STATUS\n\.TS\n[\s\S]*?\n0\t[\s\S]*?\n\.TE\n/, path);
  }
});

// Completions.

const completeInBash = (...words: string[]): string[] => {
  const script = `source ${pathOf(`docs/completion/bash/${words[0]}`)}
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _${words[0]?.replaceAll('-', '_')}; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-eu', '-c', script, 'bash', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
};

test('bash completes the values that an option takes', () => {
  assert.equal(completeInBash('datto-inspect', 'map', '--color', 'a'), ['auto', 'always']);
});

test('bash completes sub-commands, and options after a dash', () => {
  assert.equal(completeInBash('dbdctl', 're'), [
    'reload-snapshot',
    'reload-incremental',
    'reconfigure',
    'reconfigure-auto-expand',
  ]);
  assert.equal(completeInBash('dbdctl', '--v'), ['--version']);
  assert.equal(completeInBash('dbdctl', 'setup-snapshot', '-'), [
    '-c',
    '-f',
    '-q',
    '--quiet',
    '-v',
    '--verbose',
    '--help',
  ]);
  assert.equal(completeInBash('dbdctl', 'setup-snapshot', '/de'), []);
  assert.ok(completeInBash('update-img', '--').includes('--dry-run'));
});

/** What the completion for zsh passes to the functions that zsh completes with. */
const completeInZsh = (...words: string[]): string[] => {
  const script = `_arguments() { print -rl -- "$@" }
    _describe() { print -rl -- "\${(@P)4}" }
    words=("$@") CURRENT=$#
    source ${pathOf(`docs/completion/zsh/_${words[0]}`)}`;
  return execFileSync('zsh', ['-f', '-e', '-c', script, 'zsh', ...words], { encoding: 'utf8' }).split('\n');
};

test('zsh completes sub-commands, options and devices, and tells what they are', () => {
  const commands = completeInZsh('dbdctl', '');
  assert.ok(commands.includes('destroy:stop tracking, and remove the COW file of an active device'));
  assert.ok(commands.includes("transition-to-snapshot:start the series' next snapshot"));
  assert.ok(commands.includes('(-h --help)--help[display help]'));
  assert.ok(completeInZsh('dbdctl', 'destroy', '').includes('1:minor:_datto_minors'));
  const setup = completeInZsh('dbdctl', 'setup-snapshot', '');
  assert.ok(setup.includes('-c[limit of the index cache, in bytes or as 64M]:cache-size: '));
  assert.ok(setup.includes('*:file:_files'));
  assert.ok(
    completeInZsh('update-img', '').includes(
      '(-n --dry-run)--dry-run[check everything, show what would be copied and estimate the time, write nothing]',
    ),
  );
});

test.run();
