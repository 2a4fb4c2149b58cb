/**
 * Builds the Debian packages: npm run package [-- FOLDER] [--version VERSION]
 *
 * The core and the tools must have been built before (`npm run build`). What Node makes and what debian/rules needs is copied to
 * FOLDER/dattobd-<version>, built there, and the packages are left in FOLDER [build/packages].
 *
 *   --version VERSION   in place of package.json's, for tests of upgrades
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../', import.meta.url));
const SOURCES = ['boot', 'chunkview', 'debian', 'dist', 'docs', 'libdattobd', 'systemd', 'package.json'];
const AUTHORS = 'The dattobd authors <maintainers@dattobd.example>';

/** Text of debian/changelog; package.json has the version, and CHANGELOG.md the changes. */
const changelog = (version: string): string => {
  const { mtime } = statSync(join(root, 'CHANGELOG.md'));
  const date = mtime.toUTCString().replace('GMT', '+0000');
  return `dattobd (${version}) unstable; urgency=medium\n\n  * CHANGELOG.md has the changes.\n\n -- ${AUTHORS}  ${date}\n`;
};

/**
 * Builds the packages.
 *
 * @param folder where they are left; those that are there go
 * @param version in place of package.json's
 * @returns paths of the packages
 * @throws Error if a program fails
 */
export const buildPackages = (folder: string, version?: string): string[] => {
  const { version: own } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  if (!existsSync(join(root, 'dist/dbdctl.mjs')))
    throw new Error('Cannot make packages: there is no dist/, expected the tools built before');
  rmSync(folder, { recursive: true, force: true });
  const tree = join(folder, `dattobd-${version ?? own}`);
  mkdirSync(tree, { recursive: true });
  const documents = readdirSync(root).filter((name) => name.endsWith('.md'));
  for (const name of [...SOURCES, ...documents].filter((path) => existsSync(join(root, path))))
    cpSync(join(root, name), join(tree, name), { recursive: true });
  writeFileSync(join(tree, 'debian/changelog'), changelog(version ?? own));
  const run = (...command: string[]): void => {
    const { status, stdout } = spawnSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command], {
      cwd: tree,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`Cannot make packages: ${command[0]} ended with ${status}\n${stdout}`);
  };
  run(process.execPath, join(root, 'scripts/build-kmod.mjs'), '--sources', join(tree, 'build/dkms'));
  run('dpkg-buildpackage', '--build=binary', '--no-sign');
  const names = readdirSync(folder).filter((name) => name.endsWith('.deb'));
  return names.sort().map((name) => join(folder, name));
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { version: { type: 'string' } } });
  try {
    const folder = resolve(positionals[0] ?? join(root, 'build/packages'));
    for (const path of buildPackages(folder, values.version)) console.log(path);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
