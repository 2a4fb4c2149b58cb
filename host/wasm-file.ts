/** Where the WebAssembly modules are. */
import { existsSync } from 'node:fs';

/**
 * A module's file: beside the bundled tool, in the package's root, or in the build folder.
 *
 * @param name of the file, as `core.wasm`
 */
export const wasmFile = (name: string): URL => {
  const beside = new URL(name, import.meta.url);
  return existsSync(beside) ? beside : new URL(`../build/${name}`, import.meta.url);
};
