/** npm run model: all states of the model within its bounds. Several searches, since one for all bounds at once takes hours. */
import { type Search, searchModel } from './spin.js';

interface Run extends Search {
  readonly name: string;
}

const RUNS: readonly Run[] = [
  {
    name: 'three writes, a read, two switches',
    bounds: { WRITES: 3, READS: 1, SWITCHES: 2, FAILURES: 0, FOREIGN: 0 },
  },
  { name: 'two writes, two reads, two switches, failures', bounds: { WRITES: 2, READS: 2, SWITCHES: 2 } },
  {
    name: 'two writes, a read, a volume of three blocks',
    bounds: { BLOCKS: 3, WRITES: 2, READS: 1, SWITCHES: 0, FAILURES: 0, FOREIGN: 0 },
  },
  {
    name: 'cycles: two writes, a read, a switch',
    bounds: { WRITES: 2, READS: 1, SWITCHES: 1, FAILURES: 0, FOREIGN: 0 },
    cycles: true,
  },
  {
    name: 'cycles: a write, a read, two switches, failures',
    bounds: { WRITES: 1, READS: 1, SWITCHES: 2 },
    cycles: true,
  },
];

for (const { name, ...bounds } of RUNS) {
  const { states, error, steps, seconds } = searchModel({ ...bounds, optimize: 3, table: 27 });
  console.log(`${error === '' ? 'pass' : 'FAIL'} ${name}: ${states} states, ${seconds.toFixed(0)} s`);
  if (error === '') continue;
  console.log([error, ...steps].join('\n'));
  process.exitCode = 1;
}
