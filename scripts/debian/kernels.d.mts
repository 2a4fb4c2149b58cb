/** An architecture of Debian's. */
export type Architecture = 'amd64' | 'arm64';
/** Returns the words before a command that runs in a tree, with this machine's /proc and /dev. */
export function commandIn(tree: string, project?: string): string[];
/** Returns the words before a command that has mounts of its own. */
export function mountNamespace(): string[];
/** Returns the highest release of a suite and an architecture that a pattern matches, whose first group is a number to be compared. */
export function newestRelease(suite: string, architecture: Architecture, pattern: RegExp): Promise<string>;
/** Unpacks a kernel of Debian's with its modules, unless it is there. */
export function needImage(release: string): Promise<{ readonly tree: string; readonly image: string }>;
/** Unpacks the headers of a kernel of Debian's, unless they are there, and what builds modules with them. */
export function needHeaders(release: string): Promise<{ readonly tree: string; readonly variables: readonly string[] }>;
/** Where the programs of a machine come from. */
export interface Toolchain {
  /** path of a static busybox */
  readonly busybox: string;
  /** the words before the arguments of a C compiler that can link statically */
  readonly compiler: readonly string[];
  /** the project's folder as the compiler sees it */
  readonly project: string;
}
/** Unpacks what programs for a kernel's machine are made with, unless it is there. */
export function needPrograms(release: string, project: string): Promise<Toolchain>;
