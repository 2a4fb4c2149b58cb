/** Bundles what pages of `datto-inspect report` have inside: the script with the plotting library, and the style. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Folders of the npm packages that a bundle has parts of. */
const packagesIn = ({ outputs }: Metafile): string[] => {
  const parts = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const paths = parts.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
  const folders = paths.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
  return [...new Set(folders)].sort();
};

const licenceOf = (folder: string): string => {
  const name = readdirSync(join(root, folder)).find((file) => /^licen[cs]e/i.test(file));
  if (name === undefined) throw new Error(`Cannot bundle ${folder}: it has no licence file`);
  return readFileSync(join(root, folder, name), 'utf8').trim();
};

/** Their licences, which each copy must have. Those that differ in the copyright lines only are there once. */
const licencesOf = (folders: readonly string[]): string => {
  const texts = new Map<string, Set<string>>();
  for (const folder of folders) {
    const lines = licenceOf(folder).split('\n');
    const isCopyright = (line: string): boolean => /^copyright (\(c\) )?\d/i.test(line);
    const text = lines
      .filter((line) => !isCopyright(line))
      .join(' ')
      .replace(/\s+/g, ' ')
      .trim();
    const notices = texts.get(text) ?? new Set();
    texts.set(text, notices);
    for (const line of lines.filter(isCopyright))
      notices.add(`${line.trim()} (${folder.replace('node_modules/', '')})`);
  }
  return [...texts].map(([text, notices]) => `${[...notices].join('\n')}\n${text}`).join('\n\n');
};

/**
 * Builds `report.js` and `report.css`.
 *
 * @param folder where to
 */
export const buildPage = async (folder: string): Promise<void> => {
  const common: BuildOptions = { absWorkingDir: root, bundle: true, minify: true, target: 'es2022' };
  const script: BuildOptions = { ...common, entryPoints: ['page/main.ts'], format: 'iife', platform: 'browser' };
  const { metafile } = await build({ ...script, metafile: true, write: false });
  // In a comment; nothing in it ends the comment.
  const licences = licencesOf(packagesIn(metafile)).replaceAll('*/', '* /');
  await build({ ...script, outfile: join(folder, 'report.js'), banner: { js: `/*! ${licences} */` } });
  await build({ ...common, entryPoints: ['page/style.css'], outfile: join(folder, 'report.css') });
};
