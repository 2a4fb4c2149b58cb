/** Version of this package, put in by the build. */
declare const __PACKAGE_VERSION__: string | undefined;

export const PACKAGE_VERSION: string = typeof __PACKAGE_VERSION__ === 'string' ? __PACKAGE_VERSION__ : 'unbuilt';
