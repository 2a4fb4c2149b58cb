/** What boot/ installs on a host, and the dbdctl of an initramfs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
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

const install = (initramfs: string): string[] => {
  rmSync(root, { recursive: true, force: true });
  execFileSync('make', ['-s', '-C', source, 'install', `DESTDIR=${root}`, `OUT=${join(folder, 'out')}`, `INITRAMFS=${initramfs}`]);
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => statSync(join(root, name)).isFile()).sort();
};

const common = ['etc/modules-load.d/dattobd.conf', 'usr/local/lib/dattobd/boot/datto-reload', 'usr/local/lib/dattobd/boot/dbdctl'];
const initramfsTools = ['etc/initramfs-tools/hooks/dattobd', 'etc/initramfs-tools/scripts/local-premount/dattobd'];
const dracut = ['usr/lib/dracut/modules.d/90dattobd/module-setup.sh', 'usr/lib/dracut/modules.d/90dattobd/reload.sh'];

test('what is installed is for the tools that build an initramfs here', () => {
  assert.equal(install('initramfs-tools'), [...common, ...initramfsTools].sort());
  assert.equal(install('dracut'), [...common, ...dracut].sort());
  assert.equal(install('initramfs-tools dracut'), [...common, ...initramfsTools, ...dracut].sort());
  assert.is(readFileSync(join(root, 'etc/modules-load.d/dattobd.conf'), 'utf8'), 'dattobd\n');
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

const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(dbdctl, args, { encoding: 'utf8' });

test('dbdctl of an initramfs needs no library', () => {
  assert.not.match(execFileSync('readelf', ['-l', '-W', dbdctl], { encoding: 'utf8' }), /INTERP/);
});

test('dbdctl of an initramfs ends with 255 and one line for whatever goes wrong', () => {
  const wrong = [
    [], ['help'], ['destroy', '0'], ['reload-snapshot'], ['reload-snapshot', '/dev/x', '/cow'], ['reload-snapshot', '/dev/x', '/cow', '0', '1'],
    ['reload-snapshot', '/dev/x', '/cow', 'zero'], ['reload-snapshot', '/dev/x', '/cow', '-1'], ['reload-snapshot', '/dev/x', '/cow', '4294967296'],
    ['reload-incremental', '-c', '1k', '/dev/x', '/cow', '0'], ['reload-incremental', '-x', '/dev/x', '/cow', '0'],
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
  for (const command of ['reload-snapshot', 'reload-incremental']) {
    const { status, stderr } = run(command, '-c', '4096', '/dev/does-not-exist', '/cow', '0');
    assert.is(status, 255);
    assert.match(stderr, new RegExp(`^dbdctl: ${command} of /dev/does-not-exist failed, dmesg may say more: .*\n$`));
  }
});

test.run();
