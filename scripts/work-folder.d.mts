/** Path of a folder of the project for what kernel builds read and write. */
export function workFolder(name: string): string;
