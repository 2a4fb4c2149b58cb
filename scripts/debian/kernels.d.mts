/** Returns the highest release of a suite that a pattern matches, whose first group is a number to be compared. */
export function newestRelease(suite: string, pattern: RegExp): Promise<string>;
/** Unpacks a kernel of Debian's with its modules, unless it is there. */
export function needImage(release: string): Promise<{ readonly tree: string; readonly image: string }>;
/** Unpacks the headers of a kernel of Debian's, unless they are there, and what builds modules with them; returns their tree. */
export function needHeaders(release: string): Promise<string>;
