/** Who includes and who calls whom in the kernel module. */
import { basename, dirname } from 'node:path';
import { type Arrows, type Floors, wrongArrows } from './graph.js';

/** Texts of source files, by their path. */
type Sources = ReadonlyMap<string, string>;

const NOT_CODE = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"/g;
const INCLUDE = /^#include "([^"]+)"/gm;
/** A function that other files may call, at its begin. */
const DEFINITION = /^(?!static\b|typedef\b)[a-z][\w \t*]*?\b(\w+)\([^;{}]*\)\n\{/gm;
const WORD = /(?<!\b(?:struct|enum|union) )\b[A-Za-z_]\w*\b/g;

const code = (text: string): string => text.replace(NOT_CODE, ' ');

function includesOf(sources: Sources, folder: string): Arrows {
  const names = (text: string): string[] => [...text.matchAll(INCLUDE)].map(([, name]) => `${folder}/${name}`);
  return new Map([...sources].map(([path, text]) => [path, names(text).filter((name) => sources.has(name))]));
}

/** By function, the source file that defines it. */
function definitions(sources: Sources): Map<string, string> {
  const found = new Map<string, string>();
  for (const [path, text] of sources)
    if (path.endsWith('.c')) for (const [, name] of code(text).matchAll(DEFINITION)) found.set(name!, path);
  return found;
}

/** A function that is named counts as called: its address may be given away. */
function callsOf(sources: Sources, defined: ReadonlyMap<string, string>): Arrows {
  return new Map(
    [...sources]
      .filter(([path]) => path.endsWith('.c'))
      .map(([path, text]) => {
        const words = new Set(code(text).match(WORD) ?? []);
        const called = [...words].map((word) => defined.get(word)).filter((to) => to !== undefined && to !== path);
        return [path, [...new Set(called as string[])]];
      }),
  );
}

/** Functions that the header of their own file does not declare. */
function undeclared(sources: Sources, defined: ReadonlyMap<string, string>): string[] {
  return [...defined].flatMap(([name, path]) => {
    const header = `${dirname(path)}/${basename(path, '.c')}.h`;
    const declared = new RegExp(`\\b${name}\\([^;{}]*\\);`).test(code(sources.get(header) ?? ''));
    return declared ? [] : [`${path} defines ${name}(), which ${header} does not declare`];
  });
}

/**
 * Finds circles of includes and of calls, arrows to what stands above, and functions that are declared in another file's header.
 *
 * @param folder where the names of includes begin
 * @returns one line each
 */
export function wrongWings(sources: Sources, folder: string, floors: Floors): string[] {
  const defined = definitions(sources);
  return [
    ...wrongArrows(includesOf(sources, folder), floors, 'includes', 'includes'),
    ...wrongArrows(callsOf(sources, defined), floors, 'calls', 'calls'),
    ...undeclared(sources, defined),
  ];
}
