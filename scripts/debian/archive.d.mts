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
