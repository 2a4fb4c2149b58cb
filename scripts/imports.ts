/** Who imports whom in TypeScript and AssemblyScript. */
import { dirname, normalize } from 'node:path';
import { type Arrows, type Floors, wrongArrows } from './graph.js';

const IMPORT = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/** Files by what they import, of those that are there. */
function importsOf(texts: ReadonlyMap<string, string>): Arrows {
  const resolve = (from: string, path: string): string[] => {
    const plain = normalize(`${dirname(from)}/${path}`);
    return [plain.replace(/\.js$/, '.ts'), plain.replace(/\.mjs$/, '.mts'), plain, `${plain}.ts`]
      .filter((name) => texts.has(name))
      .slice(0, 1);
  };
  return new Map(
    [...texts].map(([path, text]) => [path, [...text.matchAll(IMPORT)].flatMap(([, name]) => resolve(path, name!))]),
  );
}

/**
 * Finds circles and imports of what stands above.
 *
 * @param texts of all source files, by path
 * @returns one line each
 */
export function wrongImports(texts: ReadonlyMap<string, string>, floors: Floors): string[] {
  return wrongArrows(importsOf(texts), floors, 'imports', 'imports');
}
