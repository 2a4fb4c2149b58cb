/** What boot/ installs on a host, and the dbdctl of an initramfs. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'datto-boot-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const source = fileURLToPath(new URL('../../boot/', import.meta.url));
const root = join(folder, 'root');
const dbdctl = join(root, 'usr/local/lib/dattobd/boot/dbdctl');

const install = (initramfs: string, systemd = '', ...variables: string[]): string[] => {
  rmSync(root, { recursive: true, force: true });
  execFileSync('make', [
    '-s',
    '-C',
    source,
    'install',
    `DESTDIR=${root}`,
    `OUT=${join(folder, 'out')}`,
    `INITRAMFS=${initramfs}`,
    `SYSTEMD=${systemd}`,
    ...variables,
  ]);
  const all = readdirSync(root, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
};

const common = [
  'etc/modules-load.d/dattobd.conf',
  'usr/local/lib/dattobd/boot/datto-reload',
  'usr/local/lib/dattobd/boot/dbdctl',
];
const initramfsTools = ['etc/initramfs-tools/hooks/dattobd', 'etc/initramfs-tools/scripts/local-premount/dattobd'];
const dracut = ['usr/lib/dracut/modules.d/90dattobd/module-setup.sh', 'usr/lib/dracut/modules.d/90dattobd/reload.sh'];

test('what is installed is for the tools that build an initramfs here', () => {
  assert.equal(install('initramfs-tools'), [...common, ...initramfsTools].sort());
  assert.equal(install('dracut'), [...common, ...dracut].sort());
  assert.equal(install('initramfs-tools dracut'), [...common, ...initramfsTools, ...dracut].sort());
  assert.is(readFileSync(join(root, 'etc/modules-load.d/dattobd.conf'), 'utf8'), 'dattobd\n');
});

test('a package has all below /usr, and nothing names another folder', () => {
  const own = (name: string): string => `usr/lib/dattobd/boot/${name}`;
  const hooks = ['hooks/dattobd', 'scripts/local-premount/dattobd'].map((name) => `usr/share/initramfs-tools/${name}`);
  const unit = 'usr/lib/systemd/system/datto-reload.service';
  const all = [
    ...['datto-reload', 'dbdctl'].map(own),
    ...hooks,
    ...dracut,
    unit,
    'usr/lib/modules-load.d/dattobd.conf',
  ];
  assert.equal(install('initramfs-tools dracut', 'systemd', 'PREFIX=/usr'), all.sort());
  for (const name of [hooks[0]!, dracut[0]!, unit]) {
    const text = readFileSync(join(root, name), 'utf8');
    assert.match(text, new RegExp(own('datto-reload')), name);
    assert.not.match(text, /@FOLDER@|local\/lib/, name);
  }
});

test('every script that is installed is executable and parses', () => {
  for (const name of install('initramfs-tools dracut').filter((path) => !path.endsWith('.conf'))) {
    const path = join(root, name);
    assert.is(statSync(path).mode & 0o777, 0o755, name);
    if (!path.endsWith('dbdctl')) execFileSync(name.endsWith('module-setup.sh') ? 'bash' : 'sh', ['-n', path]);
  }
});

test('the hooks of initramfs-tools name what must come before them, and do nothing else then', () => {
  assert.is(execFileSync(join(root, initramfsTools[0]!), ['prereqs'], { encoding: 'utf8' }), '');
  assert.is(execFileSync(join(root, initramfsTools[1]!), ['prereqs'], { encoding: 'utf8' }), 'resume\n');
});

test('the unit for other volumes is installed, enabled and right', () => {
  const unit = 'etc/systemd/system/datto-reload.service';
  assert.equal(install('', 'systemd'), [...common, unit].sort());
  assert.is(
    readlinkSync(join(root, 'etc/systemd/system/local-fs.target.wants/datto-reload.service')),
    '../datto-reload.service',
  );
  const text = readFileSync(join(root, unit), 'utf8');
  assert.match(text, /^Before=.*\blocal-fs-pre\.target\b/m);
  const started = /^ExecStart=(\S+)$/m.exec(text)![1]!;
  assert.is(statSync(join(root, started)).mode & 0o111, 0o111);
  if (spawnSync('systemd-analyze', ['--version']).error) return; // no systemd here
  const here = join(folder, 'datto-reload.service');
  writeFileSync(here, text.replace(started, join(root, started)));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', here], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
  assert.not.match(stderr, /datto-reload/);
});

test('datto-reload of the system runs what did not succeed before, in the order of the names', () => {
  const [scripts, succeeded, bin, log] = ['scripts', 'succeeded', 'bin', 'log'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const name of [scripts, succeeded, bin]) mkdirSync(name);
  writeFileSync(join(bin, 'modprobe'), '#!/bin/sh\n', { mode: 0o755 });
  const script = (name: string, status: number): void =>
    writeFileSync(join(scripts, name), `echo ${name} >>${log}\nexit ${status}\n`);
  script('reload_b', 0);
  script('reload_a', 1);
  script('reload_c', 0);
  script('other', 0);
  writeFileSync(join(succeeded, 'reload_c'), '');
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, DATTO_SCRIPTS: scripts, DATTO_RUN: succeeded };
  const reload = join(source, 'datto-reload');
  assert.is(spawnSync('sh', [reload], { env }).status, 0);
  assert.is(readFileSync(log, 'utf8'), 'reload_a\nreload_b\n');
  assert.ok(existsSync(join(succeeded, 'reload_b')));
  assert.not.ok(existsSync(join(succeeded, 'reload_a')));
  assert.is(spawnSync('sh', [reload], { env }).status, 0);
  assert.is(readFileSync(log, 'utf8'), 'reload_a\nreload_b\nreload_a\n');
});

const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(dbdctl, args, { encoding: 'utf8' });

test('dbdctl of an initramfs needs no library', () => {
  assert.not.match(execFileSync('readelf', ['-l', '-W', dbdctl], { encoding: 'utf8' }), /INTERP/);
});

test('dbdctl of an initramfs ends with 255 and one line for whatever goes wrong', () => {
  const wrong = [
    [],
    ['help'],
    ['destroy', '0'],
    ['reload-snapshot'],
    ['reload-snapshot', '/dev/x', '/cow'],
    ['reload-snapshot', '/dev/x', '/cow', '0', '1'],
    ['reload-snapshot', '/dev/x', '/cow', 'zero'],
    ['reload-snapshot', '/dev/x', '/cow', '-1'],
    ['reload-snapshot', '/dev/x', '/cow', '4294967296'],
    ['reload-incremental', '-c', '1k', '/dev/x', '/cow', '0'],
    ...['K', '1KB', '1Ki', '1iB', '8388608T', '9'.repeat(40)].map((size) => [
      ...['reload-incremental', '-c', size, '/dev/x', '/cow', '0'],
    ]),
    ['reload-incremental', '/dev/x', '/cow', '1K'],
    ['reload-incremental', '-x', '/dev/x', '/cow', '0'],
    ['reload-incremental', '/dev/x', '/cow', ''],
  ];
  for (const args of wrong) {
    const { status, stdout, stderr } = run(...args);
    assert.is(status, 255, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, /usage: dbdctl reload-snapshot\|reload-incremental .*\n$/);
  }
});

test('dbdctl of an initramfs says why the driver could not do it', () => {
  for (const command of ['reload-snapshot', 'reload-incremental'])
    for (const size of ['4096', '64M', '8388607TiB']) {
      const { status, stderr } = run(command, '-c', size, '/dev/does-not-exist', '/cow', '0');
      assert.is(status, 255);
      assert.match(stderr, new RegExp(`^dbdctl: ${command} of /dev/does-not-exist failed, dmesg may say more: .*\n$`));
    }
});

test.run();
