/** The files and folders with the largest changes, few enough for a page. */
import type { BlockOwner } from '../inspect/owners/owner.js';
import type { Owned } from './owned.js';

export interface Named {
  readonly name: string;
  readonly bytes: number;
}

/** A file, or a folder with what is in it; its size is that of its children. */
export type TreeNode = Named | { readonly name: string; readonly children: readonly TreeNode[] };

export interface FileReport {
  /** Those with the most changed bytes, under their paths. */
  readonly files: readonly Named[];
  /** All further ones. */
  readonly others: { readonly count: number; readonly bytes: number };
  /** The filesystem's own blocks, by kind. */
  readonly metadata: readonly Named[];
  /** Changed, and of no file any more. */
  readonly freeBytes: number;
  /** Folders by what changed in them and below. */
  readonly folders: readonly Named[];
  /** Files, others, metadata and free blocks as one tree. */
  readonly tree: TreeNode;
}

/** Blocks of no file. */
export const FREE = 'free by now';

const FILES_MAX = 200;
const FOLDERS_MAX = 50;
/** Folders within each other that the tree has; what is deeper keeps the rest of its path as its name. */
const DEPTH_MAX = 6;

const foldersOf = (path: string): string[] => {
  const folders: string[] = [];
  for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) folders.push(path.slice(0, end));
  return folders;
};

const largestFolders = (files: readonly Named[]): Named[] => {
  const sums = new Map<string, number>();
  for (const { name, bytes } of files)
    for (const folder of foldersOf(name)) sums.set(folder, (sums.get(folder) ?? 0) + bytes);
  return [...sums]
    .map(([name, bytes]) => ({ name, bytes }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, FOLDERS_MAX);
};

/** Names as a tree, by the folders in their paths. */
const treeOf = (name: string, files: readonly Named[], depth: number): TreeNode => {
  const folders = new Map<string, Named[]>();
  const leaves: Named[] = [];
  for (const file of files) {
    const end = depth < DEPTH_MAX ? file.name.indexOf('/') : -1;
    if (end <= 0) {
      leaves.push(file);
      continue;
    }
    const folder = file.name.slice(0, end);
    const inside = { name: file.name.slice(end + 1), bytes: file.bytes };
    folders.set(folder, [...(folders.get(folder) ?? []), inside]);
  }
  return { name, children: [...[...folders].map(([folder, inside]) => treeOf(folder, inside, depth + 1)), ...leaves] };
};

/**
 * Sums up what changed by files.
 *
 * @param owned owners, those of the most bytes first
 * @param changedBytes of all changed blocks: what no owner has is free
 * @param textOf name of a file, a path from `/` on, or another text
 */
export const fileReport = (
  owned: readonly Owned[],
  changedBytes: number,
  textOf: (owner: BlockOwner) => string,
): FileReport => {
  const named = (kind: BlockOwner['kind']): Named[] =>
    owned.filter(({ owner }) => owner.kind === kind).map(({ owner, bytes }) => ({ name: textOf(owner), bytes }));
  const sum = (list: readonly { readonly bytes: number }[]): number => list.reduce((all, { bytes }) => all + bytes, 0);
  const [all, metadata] = [named('file'), named('metadata')];
  const [files, rest] = [all.slice(0, FILES_MAX), all.slice(FILES_MAX)];
  const others = { count: rest.length, bytes: sum(rest) };
  const freeBytes = Math.max(0, changedBytes - sum(owned));
  const paths = files.map(({ name, bytes }) => ({ name: name.replace(/^\//, ''), bytes }));
  const inTree = [
    treeOf('/', paths, 0),
    { name: `${others.count} smaller files`, bytes: others.bytes },
    { name: 'metadata', children: metadata },
    { name: FREE, bytes: freeBytes },
  ].filter((node) => ('children' in node ? node.children.length > 0 : node.bytes > 0));
  return { files, others, metadata, freeBytes, folders: largestFolders(all), tree: { name: '', children: inTree } };
};
