// Obtains wasm3's C sources and prints the folder that holds them.
//
// They come from the npm package below, where they lie unpatched, by an exact `npm pack` that is checked against a
// pinned sha512. They are never edited and never committed. WASM3_SOURCE=<folder with m3_env.c> takes another tree.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'react-native-webassembly@0.3.3';
const TARBALL = 'react-native-webassembly-0.3.3.tgz';
const SHA512 = 'wC8r/C6bHcWsNZmzES6vhMX1bao3JtG2FIVC9Un5kTn9EKQBN63qGVGMaD7ppe/vkzD8aPTfj9MKjsid4m7VRA==';
const SUBFOLDER = 'package/cpp';

/**
 * Returns the folder that holds wasm3's sources, after fetching them if they are not there yet.
 *
 * @returns {string} absolute path
 * @throws Error if WASM3_SOURCE has no m3_env.c, if `npm pack` fails, or if the package is not the pinned one
 */
export function fetchWasm3() {
  const given = process.env.WASM3_SOURCE;
  if (given) {
    const folder = resolve(given);
    if (!existsSync(join(folder, 'm3_env.c'))) throw new Error(`Cannot use WASM3_SOURCE: no m3_env.c in ${folder}`);
    return folder;
  }

  const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache');
  const folder = join(cache, 'wasm3');
  const stamp = join(folder, '.sha512');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === SHA512) return folder;

  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const tarball = join(work, TARBALL);
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (found !== SHA512) throw new Error(`Cannot use ${PACKAGE}: its sha512 is ${found}, expected ${SHA512}`);
    execFileSync('tar', ['-xzf', tarball, '-C', work, SUBFOLDER]);
    const unpacked = join(work, SUBFOLDER);
    writeFileSync(join(unpacked, '.sha512'), SHA512);
    rmSync(folder, { recursive: true, force: true });
    try {
      renameSync(unpacked, folder);
    } catch (error) {
      // Another build of the same tree was faster.
      if (!existsSync(stamp)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    console.log(fetchWasm3());
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
