/** Version of this package, which the build defines. */
declare const __PACKAGE_VERSION__: string | undefined;

export const PACKAGE_VERSION: string = typeof __PACKAGE_VERSION__ === 'string' ? __PACKAGE_VERSION__ : 'unbuilt';
