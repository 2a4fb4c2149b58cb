/** Downloads the kernels to test on that are not in the cache yet, and prints the release of each: 6.1, then 6.12. */
import { kernel, seriesNames } from './kernels.js';

for (const name of seriesNames) console.log(kernel(name).release);
