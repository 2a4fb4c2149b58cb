/** Returns why the module cannot run on a kernel, by the texts of its auto.conf and Module.symvers; undefined if it can. */
export function whyUnsupported(config: string | undefined, symbols: string | undefined): string | undefined;
