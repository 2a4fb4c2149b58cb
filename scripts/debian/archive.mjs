// Debian's archive: packages of any of its suites, unpacked into a folder and never installed. The mirror is the one that this
// machine's apt uses; apt itself downloads and checks what it says of each package.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { workFolder } from '../work-folder.mjs';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const runFile = promisify(execFile);

/** Something is missing; the message names it and what helps. */
export class Missing extends Error {}

/** Runs a program and returns what it prints. */
export async function run(program, args, options = {}) {
  const { stdout } = await runFile(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return stdout;
}

/** Calls `step` for each of `items`, as many at once as there are CPUs. */
async function forEach(items, step) {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await step(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

/** Returns the mirrors that this machine's apt knows of Debian and of its security updates. */
export async function mirrors() {
  const lines = await run('apt-get', ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Identifier: Packages']);
  const of = (label) => new RegExp(`^${label} (\\S+)$`, 'm').exec(lines)?.[1];
  const main = of('Debian');
  const security = of('Debian-Security');
  if (!main || !security)
    throw new Missing('apt knows no mirror of Debian and its security updates, expected both in its sources');
  return { main, security };
}

/** What apt knows of one suite: its lists and settings lie in a folder of their own, beside those of this machine. */
export class Archive {
  #folder;
  #options;

  constructor(folder, architectures) {
    this.#folder = folder;
    const at = (name) => join(folder, name);
    this.#options = [
      ['Dir::Etc::sourcelist', at('sources.list')],
      ['Dir::Etc::sourceparts', '-'],
      ['Dir::State::lists', at('lists')],
      ['Dir::State::status', at('status')],
      ['Dir::Cache', at('cache')],
      ['APT::Architecture', architectures[0]],
      ...architectures.map((name) => ['APT::Architectures::', name]),
      ['APT::Install-Recommends', 'false'],
      ['APT::Sandbox::User', 'root'],
    ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }

  /**
   * Opens a suite, with its security updates and backports, as it is now.
   *
   * @param name of the folder that keeps its lists
   * @param architectures of its packages; a package that more than one of them has is that of the first
   */
  static async open(name, { suite, hasBackports, architectures }) {
    const folder = workFolder(`.cache/kernels/apt/${name}`);
    for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, path), { recursive: true });
    const { main, security } = await mirrors();
    const sources = [
      [main, suite],
      [security, `${suite}-security`],
      ...(hasBackports ? [[main, `${suite}-backports`]] : []),
    ];
    writeFileSync(
      join(folder, 'sources.list'),
      sources.map(([mirror, part]) => `deb [signed-by=${KEYRING}] ${mirror} ${part} main\n`).join(''),
    );
    writeFileSync(join(folder, 'status'), '');
    const archive = new Archive(folder, architectures);
    await archive.#apt('apt-get', ['-qq', 'update']);
    return archive;
  }

  #apt(tool, args, options) {
    return run(tool, [...this.#options, ...args], options);
  }

  /** Returns the names of all packages that begin so. */
  async names(prefix) {
    return (await this.#apt('apt-cache', ['pkgnames', prefix])).split('\n').filter((name) => name !== '');
  }

  /** Returns the names of the packages that a package depends on, without their architectures. */
  async depends(name) {
    const lines = await this.#apt('apt-cache', ['depends', name]);
    return [...lines.matchAll(/^\s*\|?Depends: <?([^\s<>:]+)/gm)].map(([, other]) => other);
  }

  /** Unpacks packages into a folder. */
  async unpack(names, folder) {
    mkdirSync(folder, { recursive: true });
    const debs = mkdtempSync(join(this.#folder, 'debs-'));
    await this.#apt('apt-get', ['-qq', 'download', ...names], { cwd: debs });
    await unpackAll(debs, folder);
  }

  /** Unpacks packages and all that they depend on into a folder, which becomes the root of a small system. */
  async unpackWithDependencies(names, folder) {
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
      mkdirSync(join(folder, 'usr', name), { recursive: true });
      await run('ln', ['-sfn', `usr/${name}`, join(folder, name)]);
    }
    const debs = mkdtempSync(join(this.#folder, 'debs-'));
    const into = ['-o', `Dir::Cache::archives=${debs}`];
    mkdirSync(join(debs, 'partial'));
    await this.#apt('apt-get', ['-qq', '-y', ...into, '--download-only', 'install', ...names]);
    await unpackAll(debs, folder);
  }
}

/** Unpacks the packages that lie in a folder, and removes that. */
async function unpackAll(debs, folder) {
  const paths = readdirSync(debs)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(debs, name));
  // dpkg-deb -x would put a folder in place of a link to one.
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';
  await forEach(paths, (path) => run('bash', ['-o', 'pipefail', '-c', script, 'bash', path, folder]));
  rmSync(debs, { recursive: true });
}
