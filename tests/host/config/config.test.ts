import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configNames, findingLine, parseConfig, readConfig, requireSettings } from '../../../host/config/config.js';
import { DEFAULT_LIMIT, DEFAULT_SCHEDULE, KEYS, NOT_HERE } from '../../../host/config/keys.js';
import { optionsOf, toolProgram } from '../../../scripts/tool-programs.js';

const NOBODY = 65534;
const scratch = mkdtempSync(join(tmpdir(), 'datto-config-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const folder = join(scratch, 'backup.d');

const GOOD = 'volume = /dev/vdb\nfolder = /backup/data\n';
const linesOf = (text: string): string[] => parseConfig(text).findings.map((finding) => findingLine('F', finding));

/** A file with this line after two that are good has this flaw in the third. */
const flaws: ReadonlyArray<readonly [line: string, flaw: RegExp]> = [
  ['voulme = /dev/vdc', /it has the unknown key 'voulme', expected one of volume, .*; hint: did you mean 'volume'\?$/],
  ['keep_previous = undo', /lower-case letters and dashes/],
  ['Verify = all', /the key 'Verify', expected lower-case letters and dashes/],
  ['zzz = 1', /unknown key 'zzz', .*; hint: man datto-backup$/],
  ['volume = /dev/vdc', /it has 'volume' again, expected each key once; hint: see line 1$/],
  ['verify = al', /'verify' is 'al', expected one of copied, all, nothing; hint: did you mean 'all'\?$/],
  ['verify', /it has no =, expected key = value; hint: a comment begins with #$/],
  ['verify =', /'verify' has no value, expected one; hint: leave the line out for the default$/],
  ['= all', /expected lower-case letters/],
  ['verify = "all"', /has quotes, expected none/],
  ['verify = all # of it', /has a #, expected a comment on a line of its own$/],
  ['[backup]', /it has a section/],
  ['verify = all\r', /it ends with CR LF, expected LF/],
  ['# comment\r', /it ends with CR LF/],
  ['verify = a\u0000l', /control character/],
  ['cow-folder = /caf\ufffd', /not valid UTF-8/],
  ['cow-folder = files', /expected an absolute path, such as \/backup\/data$/],
  ['cow-size = 1g', /expected digits for MiB, or digits with K, M, G or T, such as 4G or 4GiB$/],
  ['cow-size = 4294967296', /expected digits/],
  ['rate = 0', /'rate' is '0', expected a number of MiB above 0, or digits with K, M, G or T/],
  ['checkpoint = 1GB', /expected digits/],
  ['sample = 1K', /expected digits, at most 4294967295$/],
  ['cow-size = -1', /expected digits/],
  ['restart = true', /expected yes or no$/],
  ['schedule = %i', /a calendar event of systemd\.time\(7\)/],
  ['limit = forever', /a time span of systemd\.time\(7\)/],
  ['metrics = /tmp/file.txt', /ends with \.prom/],
  ['keep = 7days', /expected some of latest, hours, days, weeks, months, years, each with a number/],
  ['retention = 7', /this version has no retention under this name \(its key is keep\); remove the line$/],
  ['group = all', /this version has no groups under this name \(its key is with\)/],
  ['with = logs, home', /'with' is 'logs, home', expected names of other files without \.conf, with spaces between$/],
  ['target = rbd:pool/image', /has 'folder' and 'target', expected one of them$/],
  ['targets = rbd:pool/image', /this version has no files for more than one target/],
];

for (const [line, flaw] of flaws) {
  test(`refused, with its line: ${JSON.stringify(line)}`, () => {
    const found = linesOf(`${GOOD}${line}\n`);
    assert.is(found.length, 1, found.join('\n'));
    assert.match(found[0]!, /^cannot use F:3: /);
    assert.match(found[0]!, flaw);
    assert.is(parseConfig(`${GOOD}${line}\n`).settings, undefined);
  });
}

test('all flaws are found, in the order of their lines, and keys that are missing last', () => {
  assert.equal(
    linesOf('limit = x\nnothing\nfolder = ssh://host/folder\n').map((line) => line.slice(0, 40)),
    [
      "cannot use F:1: 'limit' is 'x', expected ",
      'cannot use F:2: it has no =, expected ke',
      "cannot use F:3: 'folder' is 'ssh://host/",
      "cannot use F: it has no 'volume', expect",
    ].map((line) => line.slice(0, 40)),
  );
});

test('a target other than a folder needs rules of what to keep', () => {
  const target = 'volume = /dev/vdb\ntarget = rbd:pool/image\n';
  assert.match(
    linesOf(target).join('\n'),
    /it has no 'keep', which 'target' needs, expected a line such as 'keep = latest7'$/,
  );
  for (const wrong of ['s3://bucket', '/backup', 'rbd:pool', 'rbd:pool/image:key=7', 'ssh:host'])
    assert.equal(linesOf(`volume = /dev/vdb\nkeep = days7\ntarget = ${wrong}\n`), [
      `cannot use F:3: 'target' is '${wrong}', expected ssh:HOST:/FOLDER, rbd:POOL/IMAGE, restic:REPOSITORY or borg:REPOSITORY; hint: the key of a folder is folder`,
    ]);
  assert.equal(parseConfig(`${target}keep = days7\n`).settings?.request, {
    volume: '/dev/vdb',
    folder: 'rbd:pool/image',
    keep: 'days7',
  });
});

test('what is left out has its default; spaces, tabs, comments and a last line without end are as one expects', () => {
  const { settings } = parseConfig('# a comment\n\n\tvolume=/dev/a b#c \n folder =\t/backup');
  assert.equal(settings, {
    request: { volume: '/dev/a b#c', folder: '/backup' },
    schedule: DEFAULT_SCHEDULE,
    limit: DEFAULT_LIMIT,
    members: [],
  });
});

test('every long option of a backup is a key, but for those that are about one run; each key is in the example', async () => {
  const ABOUT_RUN = ['dry-run', 'json', 'progress', 'no-progress', 'quiet', 'verbose', 'no-whole', 'version', 'help'];
  const options = optionsOf(await toolProgram('datto-backup')).map(({ long }) => long?.replace(/^--/, '') ?? '');
  const names = KEYS.map(({ name }) => name);
  for (const option of options) assert.is(names.includes(option), !ABOUT_RUN.includes(option), option);
  const example = readFileSync(fileURLToPath(new URL('../../../systemd/data.conf.example', import.meta.url)), 'utf8');
  assert.equal(linesOf(example), []);
  // It has either a folder or a target.
  const all = example.replace(/^#(?=(?!target)[a-z-]+ = )/gm, '');
  assert.equal(linesOf(all), []);
  for (const name of names) assert.match(example, new RegExp(`\\b${name}\\b`), name);
  const { settings } = parseConfig(all);
  assert.equal([settings?.schedule, settings?.limit], [DEFAULT_SCHEDULE, DEFAULT_LIMIT]);
});

test('no key is one that this version has nothing for', () => {
  for (const { name } of KEYS) assert.not.ok(Object.hasOwn(NOT_HERE, name), name);
});

test('any text gives settings, or findings with lines that it has; never an exception', () => {
  const word = fc.oneof(
    fc.constantFrom(...KEYS.map(({ name }) => name), ...Object.keys(NOT_HERE), '__proto__', 'constructor', ''),
    fc.string({ maxLength: 12 }),
  );
  const value = fc.oneof(
    fc.constantFrom('/dev/vdb', 'yes', 'all', '7', 'infinity', ''),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  const line = fc.oneof(
    fc.tuple(word, fc.constantFrom('=', ' = ', '\t=', ''), value).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 30 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = lines.join('\n');
      const { settings, findings } = parseConfig(text);
      assert.is(settings === undefined, findings.length > 0);
      const count = text.split('\n').length;
      for (const finding of findings) {
        assert.ok(finding.line === undefined || (finding.line >= 1 && finding.line <= count));
        assert.match(finding.text, /expected|remove the line/);
      }
    }),
    { numRuns: 2000 },
  );
});

test('what is written as key = value is read as it was meant', () => {
  const path = fc
    .string({ maxLength: 30 })
    .filter((text) => !/\s#|["']$|\ufffd|[^\P{Cc}]/u.test(text) && text === text.trimEnd());
  fc.assert(
    fc.property(path, path, fc.nat(0xffffffff), fc.boolean(), (a, b, size, restart) => {
      const { settings, findings } = parseConfig(
        `volume=/${a}\n  folder  =  /${b}  \ncow-size=${size}\nrestart = ${restart ? 'yes' : 'no'}\n`,
      );
      assert.equal(findings, []);
      assert.equal(settings?.request, { volume: `/${a}`, folder: `/${b}`, cowMib: size, restart });
    }),
  );
});

test('a size is in MiB, or in the unit that it has', () => {
  const { settings } = parseConfig(`${GOOD}cow-size = 4G\ncheckpoint = 64KiB\nrate = 512K\n`);
  const { cowMib, checkpointBytes, rate } = settings?.request ?? {};
  assert.equal([cowMib, checkpointBytes, rate], [4096, 65536, 0.5]);
  assert.is(parseConfig(`${GOOD}checkpoint = 64\n`).settings?.request.checkpointBytes, 64 * 2 ** 20);
});

// Files.

const write = (name: string, text = GOOD): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
};
const setUp = (): void => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(scratch, 0o755);
  process.env.DATTO_CONFIG = folder;
};

test('a configuration is read by its name', () => {
  setUp();
  write('data.conf');
  write('b-2.conf', 'volume = /dev/vdb\n');
  write('data.conf.example');
  write('note.txt');
  assert.equal(configNames(), ['b-2', 'data']);
  assert.is(requireSettings(readConfig('data')).request.folder, '/backup/data');
  assert.throws(
    () => requireSettings(readConfig('b-2')),
    /b-2\.conf: it has no 'folder', expected a line 'folder = \/…' or 'target = …'$/,
  );
});

test('a name that is none, or of nothing, is refused with those that are there', () => {
  setUp();
  write('data.conf');
  assert.throws(() => readConfig('dta'), /there are: data; hint: did you mean 'data'\?$/);
  for (const name of ['../data', 'data/..', '', '.', '-n', 'a b', 'a%n', `${'a'.repeat(65)}`, 'data\n'])
    assert.throws(() => readConfig(name), /expected the name of a file/, name);
  rmSync(folder, { recursive: true });
  assert.equal(configNames(), []);
  assert.throws(() => readConfig('data'), /there are: none$/);
});

test('a file or a folder that others can change is refused', () => {
  setUp();
  const path = write('data.conf');
  const refused = (flaw: RegExp): void => void assert.throws(() => readConfig('data'), flaw);
  for (const mode of [0o664, 0o646]) {
    chmodSync(path, mode);
    refused(/data\.conf: it can be written to by others, expected only root to; hint: chmod go-w$/);
  }
  chmodSync(path, 0o644);
  for (const place of [folder, scratch]) {
    chmodSync(place, 0o777);
    refused(/it can be written to by others/);
    assert.throws(configNames, /it can be written to by others/);
    chmodSync(place, 0o755);
  }
  if (process.geteuid?.() === 0) {
    chownSync(path, NOBODY, NOBODY);
    refused(/belongs to user 65534/);
    chownSync(folder, NOBODY, NOBODY);
    refused(/belongs to user 65534/);
  }
  setUp();
  symlinkSync('/etc/hostname', join(folder, 'data.conf'));
  refused(/is a symbolic link/);
  rmSync(folder, { recursive: true });
  symlinkSync('/etc', folder);
  refused(/is a symbolic link, expected a folder/);
});

test.run();
