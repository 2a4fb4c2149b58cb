/**
 * Compiles host/ to host/dist, for npm: JavaScript, types, the core and the hashing module. `npm pack` in host/ runs it.
 *
 * The core must have been built before (`npm run build:core`).
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildHostWasm } from './build-host-wasm.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const core = join(root, 'build', 'core.wasm');
const target = join(root, 'host', 'dist');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

if (!existsSync(core)) throw new Error(`Cannot make the library: there is no ${core}, expected the core built before`);
rmSync(target, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'host')], { stdio: 'inherit' });
copyFileSync(join(root, 'docs', 'LIBRARY.md'), join(root, 'host', 'README.md'));
copyFileSync(core, join(target, 'core.wasm'));
copyFileSync(await buildHostWasm(), join(target, 'host.wasm'));
