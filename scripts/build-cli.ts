/**
 * Bundles the tools into a folder that can be copied to a host as it is (Node 18.13 is all that it needs there):
 *
 *   dbdctl.mjs, update-img.mjs … the programs, executable
 *   core.wasm                    the core (from build/, made before)
 *   host.wasm                    hashing
 *   report.js, report.css        what pages of `datto-inspect report` have inside
 *   node_modules/                koffi, whose native part cannot be bundled
 */
import { chmodSync, copyFileSync, cpSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildHostWasm } from './build-host-wasm.js';
import { buildPage } from './build-page.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const core = join(root, 'build', 'core.wasm');
export const tools = [
  ...['dbdctl', 'update-img', 'datto-inspect', 'datto-verify', 'datto-backup', 'datto-restore'],
  'datto-receive',
];

const banner = `#!/usr/bin/env node
import { createRequire as __createRequire } from 'node:module';
const require = __createRequire(import.meta.url);`;

/** What koffi needs at run time: its scripts, and the native part for this machine. */
const copyKoffi = (modules: string): void => {
  const needed = (path: string): boolean => statSync(path).isDirectory() || /\.(cjs|js|json|txt|node)$/.test(path);
  for (const name of ['koffi', `@koromix/koffi-linux-${process.arch}`]) {
    // Documentation, C++ sources and what compiles them make up most of the package.
    const filter = (path: string): boolean => needed(path) && !/\/koffi\/(doc|vendor|lib|cnoke\.cjs)$/.test(path);
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true, filter });
  }
};

/**
 * Bundles the tools.
 *
 * @param folder where to; it is replaced
 * @throws Error if the core was not built before
 */
export const buildTools = async (folder: string): Promise<void> => {
  if (!existsSync(core))
    throw new Error(`Cannot bundle the tools: there is no ${core}, expected the core built before`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  rmSync(folder, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: tools.map((name) => `cli/bin/${name}.ts`),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node18.13',
    format: 'esm',
    minifySyntax: true,
    external: ['koffi'],
    define: { __PACKAGE_VERSION__: JSON.stringify(version) },
    // commander is CommonJS and requires Node's own modules.
    banner: { js: banner },
  });
  for (const name of tools) chmodSync(join(folder, `${name}.mjs`), 0o755);
  copyFileSync(core, join(folder, 'core.wasm'));
  copyFileSync(await buildHostWasm(), join(folder, 'host.wasm'));
  await buildPage(folder);
  copyKoffi(join(folder, 'node_modules'));
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildTools(join(root, 'dist'));
