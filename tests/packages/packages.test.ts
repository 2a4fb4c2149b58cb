/** The Debian packages: what is in them, that all parts have one version, and what lintian says. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tools } from '../../scripts/build-cli.js';
import { whyUnsupported } from '../../scripts/kernel-needs.mjs';
import { buildPackages } from '../../scripts/package.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-packages-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8')) as {
  version: string;
};

const paths = buildPackages(join(folder, 'packages'));
const packages = new Map(paths.map((path) => [basename(path).split('_')[0]!, path]));
const output = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });
const field = (name: string, of: string): string => output('dpkg-deb', '-f', packages.get(of)!, name).trim();

/** Unpacks a package and returns where. */
const unpacked = (name: string): string => {
  const to = join(folder, name);
  output('dpkg-deb', '-x', packages.get(name)!, to);
  return to;
};
const filesOf = (name: string): string[] =>
  output('dpkg-deb', '-c', packages.get(name)!)
    .trim()
    .split('\n')
    .map((line) => /\.(\/\S*)/.exec(line)![1]!)
    .filter((path) => !path.endsWith('/'));
/** What none of these patterns matches. */
const besides = (paths: readonly string[], ...patterns: RegExp[]): string[] =>
  paths.filter((path) => !patterns.some((pattern) => pattern.test(path)));

const DOCUMENTS = /^\/usr\/share\/(doc|man|lintian)\//;

test('there are four packages, each with what it is for and nothing else', () => {
  assert.equal([...packages.keys()].sort(), ['dattobd-dkms', 'dattobd-utils', 'libdattobd-dev', 'libdattobd1']);
  assert.equal(besides(filesOf('dattobd-dkms'), DOCUMENTS, new RegExp(`^/usr/src/dattobd-${version}/`)), []);
  assert.equal(besides(filesOf('libdattobd1'), DOCUMENTS), ['/usr/lib/x86_64-linux-gnu/libdattobd.so.1']);
  assert.equal(besides(filesOf('libdattobd-dev'), DOCUMENTS, /^\/usr\/include\/dattobd\//).sort(), [
    '/usr/lib/x86_64-linux-gnu/libdattobd.so',
    '/usr/lib/x86_64-linux-gnu/pkgconfig/libdattobd.pc',
  ]);
  const utils = filesOf('dattobd-utils');
  for (const tool of tools) {
    assert.ok(utils.includes(`/usr/bin/${tool}`), tool);
    assert.ok(utils.includes(`/usr/lib/dattobd/${tool}.mjs`), tool);
    assert.ok(
      utils.some((path) => path.startsWith(`/usr/share/man/`) && path.includes(`/${tool}.`)),
      tool,
    );
    assert.ok(utils.includes(`/usr/share/bash-completion/completions/${tool}`), tool);
  }
  assert.ok(utils.includes('/usr/lib/dattobd/chunkview'));
  // The rest of the system: hooks, units, rules, and no file of /etc but for what is to be edited.
  const system = [/^\/usr\/(bin|lib\/dattobd)\//, /^\/usr\/share\/(bash-completion|zsh)\//, /^\/etc\/dattobd\//];
  assert.equal(besides(utils, DOCUMENTS, ...system, /^\/usr\/lib\/systemd\//).sort(), [
    '/usr/lib/dracut/modules.d/90dattobd/module-setup.sh',
    '/usr/lib/dracut/modules.d/90dattobd/reload.sh',
    '/usr/lib/modules-load.d/dattobd.conf',
    '/usr/lib/udev/rules.d/59-dattobd.rules',
    '/usr/share/initramfs-tools/hooks/dattobd',
    '/usr/share/initramfs-tools/scripts/local-premount/dattobd',
  ]);
  assert.ok(utils.includes('/usr/lib/systemd/system/local-fs.target.wants/datto-reload.service'));
});

test('all have the version of package.json, and Debian 12 has the Node that the tools need', () => {
  for (const name of packages.keys()) assert.is(field('Version', name), version, name);
  assert.match(field('Depends', 'dattobd-utils'), /\bnodejs \(>= 18\.13\)/);
  const utils = unpacked('dattobd-utils');
  const { status, stdout } = spawnSync(process.execPath, [join(utils, 'usr/lib/dattobd/dbdctl.mjs'), '--version'], {
    encoding: 'utf8',
  });
  assert.equal({ status, stdout }, { status: 0, stdout: `${version}\n` });
  const config = readFileSync(
    join(unpacked('libdattobd-dev'), 'usr/lib/x86_64-linux-gnu/pkgconfig/libdattobd.pc'),
    'utf8',
  );
  assert.match(config, new RegExp(`^Version: ${version.replaceAll('.', '\\.')}$`, 'm'));
  assert.match(config, /^prefix=\/usr$/m);
});

test('nothing that is installed names a folder of a build from source', () => {
  const { stdout } = spawnSync('grep', ['-rl', '/usr/local/', join(folder, 'dattobd-utils')], { encoding: 'utf8' });
  assert.equal(besides(stdout.trim().split('\n').filter(Boolean), /\/usr\/share\/doc\//), []);
});

test('DKMS builds for the kernels that the module can run on, and has all sources', () => {
  const source = join(unpacked('dattobd-dkms'), 'usr/src', `dattobd-${version}`);
  const config = readFileSync(join(source, 'dkms.conf'), 'utf8');
  const value = (name: string): string => new RegExp(`^${name}="(.*)"$`, 'm').exec(config)?.[1] ?? '';
  assert.is(value('PACKAGE_VERSION'), version);
  const kernels = new RegExp(value('BUILD_EXCLUSIVE_KERNEL'));
  for (const release of ['5.9.0-1-amd64', '5.10.0-38-amd64', '6.1.0-57-amd64', '6.12.117+deb13-amd64', '10.0.1'])
    assert.match(release, kernels);
  for (const release of ['4.19.0-27-amd64', '5.8.18', '5.4.0-1']) assert.not.match(release, kernels);
  const options = value('BUILD_EXCLUSIVE_CONFIG').split(' ');
  for (const missing of options) {
    const others = [...options, 'CONFIG_DYNAMIC_FTRACE_WITH_ARGS'].filter((name) => name !== missing);
    assert.ok(whyUnsupported(others.map((name) => `${name}=y`).join('\n'), undefined)?.includes(missing), missing);
  }
  for (const name of ['Kbuild', 'core_wasm.c', 'wasm3/m3_env.c', 'wasm3.defines', 'probes/bio_bdev.c', 'shim/libc.h'])
    assert.ok(readFileSync(join(source, name)).length > 0, name);
});

test('lintian has nothing to say', () => {
  const changes = join(folder, 'packages', `dattobd_${version}_amd64.changes`);
  const { status, stdout } = spawnSync('lintian', ['--fail-on=error,warning', '--allow-root', changes], {
    encoding: 'utf8',
  });
  assert.equal({ status, stdout }, { status: 0, stdout: '' });
});

test.run();
