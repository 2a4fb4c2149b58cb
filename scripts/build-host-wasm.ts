/** Compiles what only the host's tools need (assembly/host-only/) to build/host.wasm, if it is not there yet. */
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const source = join(root, 'assembly', 'host-only', 'index.ts');
const target = join(root, 'build', 'host.wasm');

const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--initialMemory', '17'];

/**
 * Compiles the module, unless it is newer than its source.
 *
 * @returns path of the module
 * @throws Error with what the compiler said
 */
export const buildHostWasm = async (): Promise<string> => {
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) return target;
  const { main } = await import('assemblyscript/asc');
  const files = new Map<string, string | Uint8Array>();
  const { error, stderr } = await main([source, '--outFile', 'host.wasm', '--bindings', 'none', ...OPTIONS], {
    writeFile: (name, contents) => void files.set(name, contents),
  });
  const module = files.get('host.wasm');
  if (error || module === undefined) throw new Error(`Cannot compile ${source}: ${stderr.toString()}`);
  mkdirSync(join(root, 'build'), { recursive: true });
  // Another build may be under way.
  const part = `${target}.${process.pid}`;
  writeFileSync(part, module);
  renameSync(part, target);
  return target;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildHostWasm();
