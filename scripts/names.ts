/** What comments and documents name must be in the tree: files, functions, and the rows of a document that they cite. */
import { basename, dirname, join } from 'node:path';

/** Named for what they are elsewhere: the kernel's, the C library's, wasm3's, or made by a build. */
const OUTSIDE: ReadonlySet<string> = new Set([
  'ftrace_free_filter()',
  'generic_shutdown_super()',
  'kernel_write()',
  'm3_Realloc_Impl()',
  'sb_start_write()',
  'xlog_find_head()',
  'core_debug_wasm.c',
  'core_wasm.c',
  'dbdctl.mjs',
  'm3_env.c',
  'probes.h',
  'scripts/kconfig/merge_config.sh',
  'update-img.mjs',
  // Where they are installed.
  'dattobd/dattobd.h',
  'dattobd/libdattobd.h',
  // Stand for any file.
  'a.c',
  'b.c',
  'tool.mjs',
]);

const COMMENT_OF_C = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
const COMMENT_OF_SHELL = /(?<=^|\s)#[^\n]*/gm;
const FUNCTION = /\b([A-Za-z_]\w*)\(\)/g;
const FILE = /(?<![\w./*<-])((?:[\w.-]+\/)*[\w-]+\.(?:c|h|ts|mjs|sh|md))\b/g;
/** A document of this tree, a comma, and the labels of its rows. */
const CITATION = /(docs\/[A-Z]+\.md),((?:(?:\s|\*|and|to|,)+[A-Z]\.?\d+(?:\.\d+)?[a-z]?\b)+)/g;
const LABEL = /[A-Z]\.?\d+(?:\.\d+)?[a-z]?/g;

interface Parts {
  /** of a document, all of it; else its comments */
  readonly prose: string;
  readonly code: string;
}

function partsOf(path: string, text: string): Parts {
  if (path.endsWith('.md')) return { prose: text, code: '' };
  const comment = /\.(c|h|S|ts|mts|mjs)$/.test(path) ? COMMENT_OF_C : COMMENT_OF_SHELL;
  return { prose: (text.match(comment) ?? []).join('\n'), code: text.replace(comment, ' ') };
}

const first = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1]!);

/**
 * Finds what is named and is not there.
 *
 * @param texts of the files that are looked through, by path
 * @param paths of all files of the tree
 * @returns lines `path: names X, which …`
 */
export function missingNames(texts: ReadonlyMap<string, string>, paths: readonly string[]): string[] {
  const parts = [...texts].map(([path, text]) => ({ path, ...partsOf(path, text) }));
  const words = new Set(parts.flatMap(({ code }) => code.match(/[A-Za-z_]\w*/g) ?? []));
  const names = new Set(paths.map((path) => basename(path)));
  const hasFile = (name: string, from: string): boolean => {
    if (name.startsWith('../')) return paths.includes(join(dirname(from), name));
    return name.includes('/') ? paths.some((path) => path === name || path.endsWith(`/${name}`)) : names.has(name);
  };
  const hasLabel = (document: string, label: string): boolean =>
    new RegExp(`(^|[^\\w.])${label.replaceAll('.', '\\.')}(?![\\w]|\\.\\d)`, 'm').test(texts.get(document) ?? '');
  return parts.flatMap(({ path, prose }) => {
    const missing = [
      ...first(prose, FUNCTION).flatMap((name) => (words.has(name) ? [] : [`${name}()`])),
      ...first(prose, FILE).filter((name) => !hasFile(name, path)),
    ].filter((name) => !OUTSIDE.has(name));
    const rows = [...prose.matchAll(CITATION)].flatMap(([, document, labels]) =>
      labels!.match(LABEL)!.flatMap((label) => (hasLabel(document!, label) ? [] : [`${label} of ${document}`])),
    );
    return [...new Set([...missing, ...rows])].map((name) => `${path}: names ${name}, which is not in the tree`);
  });
}
