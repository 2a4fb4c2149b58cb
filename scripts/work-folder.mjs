// Where folders of the project lie that kernel builds happen in. The kernel's makefiles know no path with a space: a
// project below such a path has these folders in /var/tmp.
//
//   node scripts/work-folder.mjs <folder>    prints its path

import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A folder of this user's that nobody else can write to. */
function ownFolder(path) {
  mkdirSync(path, { mode: 0o700, recursive: true });
  const { mode, uid } = lstatSync(path);
  if ((mode & 0o170022) !== 0o040000 || uid !== process.getuid())
    throw new Error(`Cannot build in ${path}: somebody else owns it or can write to it; remove it`);
  return path;
}

/**
 * Returns the path of a folder of the project, as it is named in the project, for what kernel builds read and write.
 */
export function workFolder(name) {
  if (!/\s/.test(root)) return join(root, name);
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return join(ownFolder(`/var/tmp/dattobd-${hash}`), name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(workFolder(process.argv[2] ?? '.'));
