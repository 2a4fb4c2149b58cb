/**
 * Downloads kernels to test on that are not in the cache yet, and prints the release of each:
 *
 *   tsx tests/vm/fetch-kernels.ts [SERIES…]     all of them by default
 */
import { kernel, seriesNames } from './kernels.js';

const names = process.argv.length > 2 ? process.argv.slice(2) : seriesNames;
for (const name of names) console.log((await kernel(name)).release);
