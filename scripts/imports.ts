/** Who imports whom: from the ground up, and never in a circle. */
import { dirname, normalize } from 'node:path';

/** The folders of one tree and single files of it, from the ground up: each imports only what stands before it, or its own. */
export type Floors = readonly string[];

const IMPORT = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/** Files by what they import, of those that are there. */
function importsOf(texts: ReadonlyMap<string, string>): Map<string, string[]> {
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

/** One circle, as the files on it; undefined if there is none. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of imports.get(path) ?? []) {
      const circle = visit(next, [...way, path]);
      if (circle) return circle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of imports.keys()) {
    const circle = visit(path, []);
    if (circle) return circle;
  }
  return undefined;
}

/** Where a file stands: the number of the longest name in the list that it is, or lies below; -1 if none. */
const floorOf = (floors: Floors, path: string): number => {
  const on = floors.filter((name) => path === name || path.startsWith(`${name}/`));
  return floors.indexOf(on.sort((a, b) => b.length - a.length)[0] ?? '');
};

/**
 * Finds circles and imports of what stands above.
 *
 * @param texts of all source files, by path
 * @param floors what is on none of them may import anything
 * @returns one line each
 */
export function wrongImports(texts: ReadonlyMap<string, string>, floors: Floors): string[] {
  const imports = importsOf(texts);
  const circle = circleIn(imports);
  const upward = [...imports].flatMap(([path, names]) => {
    const floor = floorOf(floors, path);
    if (floor < 0) return [];
    const above = names.filter((name) => floorOf(floors, name) > floor || floorOf(floors, name) < 0);
    return above.map((name) => `${path} imports ${name}, which stands above it`);
  });
  return [...(circle ? [`a circle of imports: ${circle.join(' -> ')}`] : []), ...upward];
}
