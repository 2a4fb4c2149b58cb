/** Writes `assembly/layout.ts`, `kmod-stub/layout.h`, `kmod-stub/core/calls.h` and the C library's `dattobd.h` from the tables
 * `host/layout.ts` and `host/core-exports.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { coreCalls } from './generate-layout.calls.js';
import { assemblyLayout, kernelLayout } from './generate-layout.text.js';
import { userHeader } from './generate-layout.user.js';

const root = new URL('../', import.meta.url);

/** The generated files: path from the project's root, and text. */
export const generated = (): ReadonlyArray<readonly [path: string, text: string]> => [
  ['assembly/layout.ts', assemblyLayout()],
  ['kmod-stub/layout.h', kernelLayout()],
  ['kmod-stub/core/calls.h', coreCalls()],
  ['libdattobd/dattobd.h', userHeader()],
];

const read = (path: URL): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of generated()) {
    const target = new URL(path, root);
    // An unchanged file keeps its time, so that make has nothing to do.
    if (read(target) === text) continue;
    writeFileSync(target, text);
    console.log(`wrote ${path}`);
  }
}
