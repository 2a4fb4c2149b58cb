/** What apt knows of one suite of Debian. */
export class Archive {
  /**
   * Opens a suite, with its security updates, as it is now.
   *
   * @param name of the folder that keeps its lists
   */
  static open(
    name: string,
    options: { readonly suite: string; readonly hasBackports?: boolean; readonly architectures: readonly string[] },
  ): Promise<Archive>;
  /** Unpacks packages and all that they depend on into a folder, which becomes the root of a small system. */
  unpackWithDependencies(names: readonly string[], folder: string): Promise<void>;
}
/** Returns the mirrors that this machine's apt knows of Debian and of its security updates. */
export function mirrors(): Promise<{ readonly main: string; readonly security: string }>;
/** Runs a program and returns what it prints. */
export function run(program: string, args: readonly string[]): Promise<string>;
