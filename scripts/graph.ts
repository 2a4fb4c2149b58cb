/** Arrows between files: from the ground up, and never in a circle. */

/** The folders of one tree and single files of it, from the ground up: each uses only what stands before it, or its own. */
export type Floors = readonly string[];

/** By file, the files that it uses. */
export type Arrows = ReadonlyMap<string, readonly string[]>;

/** One circle, as the files on it; undefined if there is none. */
function circleIn(arrows: Arrows): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of arrows.get(path) ?? []) {
      const circle = visit(next, [...way, path]);
      if (circle) return circle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of arrows.keys()) {
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
 * Finds circles and arrows to what stands above.
 *
 * @param floors what is on none of them may use anything
 * @param noun, verb what the arrows are: "imports", "imports"
 * @returns one line each
 */
export function wrongArrows(arrows: Arrows, floors: Floors, noun: string, verb: string): string[] {
  const circle = circleIn(arrows);
  const upward = [...arrows].flatMap(([path, names]) => {
    const floor = floorOf(floors, path);
    if (floor < 0) return [];
    const above = names.filter((name) => floorOf(floors, name) > floor || floorOf(floors, name) < 0);
    return above.map((name) => `${path} ${verb} ${name}, which stands above it`);
  });
  return [...(circle ? [`a circle of ${noun}: ${circle.join(' -> ')}`] : []), ...upward];
}
