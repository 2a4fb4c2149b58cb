/** Where the files are that the build makes. */
import { existsSync } from 'node:fs';

/**
 * A file that is read at run time: beside the bundled tool, in the package's root, or in the build folder.
 *
 * @param name of the file, as `core.wasm`
 */
export const builtFile = (name: string): URL => {
  const beside = new URL(name, import.meta.url);
  return existsSync(beside) ? beside : new URL(`../build/${name}`, import.meta.url);
};
