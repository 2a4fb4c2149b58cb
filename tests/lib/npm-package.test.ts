import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAKES, makeMachine, volume } from '../cli/backup-scene.js';
import { at, environment } from '../cli/tool.js';
import { makeCowFile } from '../host/cow-maker.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dattobd-host-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const run = (program: string, args: readonly string[], cwd: string): string =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const readJson = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

// Packed as it would be published, and installed as a user would.
const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], join(root, 'host'))) as Array<{
  filename: string;
  files: Array<{ path: string }>;
}>;
const files = (packed?.files ?? []).map(({ path }) => path).sort();
const user = join(folder, 'user');
mkdirSync(user);
writeFileSync(join(user, 'package.json'), '{ "type": "module", "private": true }\n');
run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed?.filename ?? '')], user);
const installed = join(user, 'node_modules', 'dattobd-host');

const examples = [...readFileSync(join(root, 'docs/LIBRARY.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(
  ([, text = '']) => text,
);

test('the package holds compiled modules with their types, the core, and nothing else', () => {
  const others = files.filter((path) => !/^dist\/[a-z0-9/-]+\.(js|d\.ts)$/.test(path));
  assert.equal(others, ['README.md', 'dist/core.wasm', 'dist/host.wasm', 'package.json']);
  const modules = files.filter((path) => path.endsWith('.js')).map((path) => path.slice(0, -3));
  const types = files.filter((path) => path.endsWith('.d.ts')).map((path) => path.slice(0, -5));
  assert.equal(modules, types);
  for (const name of ['index', 'inspect/index', 'layout', 'backup/backup'])
    assert.ok(modules.includes(`dist/${name}`), name);
  const core = readFileSync(join(root, 'build/core.wasm'));
  assert.ok(readFileSync(join(installed, 'dist/core.wasm')).equals(core));
});

test('its version, its engines and what it depends on are those of the project', () => {
  const own = readJson(join(installed, 'package.json'));
  const project = readJson(join(root, 'package.json'));
  assert.is(own.version, project.version);
  assert.equal(own.engines, project.engines);
  const { commander: _commander, ...needed } = project.dependencies as Record<string, string>;
  assert.equal(own.dependencies, needed);
});

test('every entry point can be imported, by its name only', () => {
  const names = (from: string): string[] => {
    const script = `console.log(JSON.stringify(Object.keys(await import('${from}'))))`;
    return JSON.parse(run(process.execPath, ['--input-type=module', '-e', script], user)) as string[];
  };
  const main = names('dattobd-host');
  for (const name of ['Driver', 'runBackup', 'updateImage', 'RefusalError', 'nativeSyscalls'])
    assert.ok(main.includes(name), name);
  assert.ok(names('dattobd-host/inspect').includes('withCowFile'));
  assert.ok(names('dattobd-host/layout').includes('IOCTLS'));
  assert.throws(() => names('dattobd-host/dist/index.js'), /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test('the functions that are documented are there', () => {
  const table = /## Functions\n([\s\S]*?)\n## /.exec(readFileSync(join(root, 'docs/LIBRARY.md'), 'utf8'))?.[1] ?? '';
  const documented = [...table.matchAll(/`(?:new )?(\w+)\(/g)].map(([, name]) => name ?? '');
  assert.ok(documented.length > 10);
  const script = `console.log(JSON.stringify([...Object.keys(await import('dattobd-host')), ...Object.keys(await import('dattobd-host/inspect'))]))`;
  const found = JSON.parse(run(process.execPath, ['--input-type=module', '-e', script], user)) as string[];
  assert.equal(
    documented.filter((name) => !found.includes(name)),
    [],
  );
});

test('every code of a refusal is documented, in the words of its definition', () => {
  const source = readFileSync(join(root, 'host/errors.ts'), 'utf8');
  const defined = [...source.matchAll(/\/\*\* (.*?)\.? \*\/\n {2}\| '(\w+)'/g)].map(
    ([, text, code]) => `| \`${code}\` | ${text} |`,
  );
  assert.is(defined.length, [...source.matchAll(/^ {2}\| '/gm)].length);
  const document = readFileSync(join(root, 'docs/LIBRARY.md'), 'utf8').split('\n');
  assert.equal(
    document.filter((line) => /^\| `[A-Z_]+` \|/.test(line)),
    defined,
  );
});

test('the examples are right to a compiler that knows only the package', () => {
  examples.forEach((text, index) => writeFileSync(join(user, `example${index}.ts`), text));
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  const roots = ['--typeRoots', join(root, 'node_modules/@types')];
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const sources = examples.map((_, index) => `example${index}.ts`);
  assert.is(run(process.execPath, [tsc, ...options, ...roots, ...sources], user), '');
  writeFileSync(join(user, 'wrong.ts'), "import { runBackup } from 'dattobd-host';\nrunBackup({ volume: 1 });\n");
  assert.throws(() => run(process.execPath, [tsc, ...options, ...roots, 'wrong.ts'], user));
});

/** Runs an example from the folder that the package was installed into, its paths moved to the tests' folder. */
const runExample = (index: number): string => {
  const text = (examples[index] ?? '')
    .replace('/dev/sda1', '/dev/fake-origin')
    .replace('/backup/data', at('backups'))
    .replace('/data/.datto0', at('example.datto'));
  writeFileSync(join(user, 'example.js'), text);
  return execFileSync(process.execPath, ['example.js'], { cwd: user, encoding: 'utf8', env: environment(FAKES) });
};

test('the example of a backup makes one', () => {
  makeMachine();
  const output = runExample(0);
  assert.match(output, /^whole: snapshot 1, \d+ bytes, good: true\n7 \/dev\/fake-origin 2\n$/);
  assert.ok(readFileSync(at('backups/volume.img')).equals(volume()));
  assert.match(runExample(0), /^incremental: snapshot 2, 0 bytes, good: true\n/);
});

test('the example of a look into a COW file shows what is in it', () => {
  makeCowFile(at('example.datto'), {
    nrSectors: 8 * 1024,
    seqid: 5n,
    entries: [
      [3, 1n],
      [4, 1n],
      [90, 1n],
    ],
  });
  assert.is(runExample(1), 'number 5 of its series\n2 blocks from 3\n1 blocks from 90\n');
});

test.run();
