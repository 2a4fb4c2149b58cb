// Measures what calls of the core cost in V8 and in wasm3, in ns of CPU time per call: the best of several rounds.
// WASM3_CFLAGS="-mindirect-branch=thunk -mfunction-return=thunk" shows wasm3 as a kernel with retpolines runs it.

import { instantiateSync } from '@assemblyscript/loader';
import { instantiate } from 'wasm3-binding';
import { coreBytes, type ExportName } from './harness.js';

const ROUNDS = 7;
const NR_SECTORS = 16n * 32768n;

interface Row {
  readonly label: string;
  readonly name: ExportName;
  readonly values: readonly bigint[];
  /** What the first argument grows by from call to call. */
  readonly step: bigint;
  readonly repeat: number;
}

const row = (label: string, name: ExportName, values: readonly bigint[], step = 0n, repeat = 50_000): Row => ({
  label,
  name,
  values,
  step,
  repeat,
});

/** Blocks 0 to 2047 are copied when these run; each row starts on a fresh core. */
const ROWS: readonly Row[] = [
  row('stat: the call alone', 'stat', [0n]),
  row('is_copied, 4 KiB, copied', 'is_copied', [800n, 8n]),
  row('is_copied, 4 KiB, not copied', 'is_copied', [40000n, 8n]),
  row('is_copied, 1 MiB, copied', 'is_copied', [800n, 2048n]),
  row('mark, 4 KiB, marked before', 'mark', [800n, 8n]),
  row('mark, 4 KiB, fresh', 'mark', [32768n, 8n], 8n),
  row('mark, 1 MiB, fresh', 'mark', [32768n, 2048n], 2048n, 200),
  row('plan_copy, one range of 4 KiB', 'plan_copy', [1n, 1024n]),
  row('plan_read, 4 KiB, origin', 'plan_read', [40000n, 8n]),
  row('plan_read, 4 KiB, copied', 'plan_read', [800n, 8n]),
  row('plan_read, 1 MiB, origin', 'plan_read', [40000n, 2048n]),
  row('plan_read, 1 MiB, copied', 'plan_read', [800n, 2048n]),
  row('commit_copy, 1 block', 'commit_copy', [4096n, 1n], 1n),
  row('commit_copy, 64 blocks', 'commit_copy', [4096n, 64n], 64n, 900),
];

interface Core {
  call(name: ExportName, ...values: bigint[]): bigint;
  memory(): ArrayBuffer;
  repeat(row: Row): void;
}

const inV8 = (): Core => {
  const { exports } = instantiateSync<Record<string, (...values: bigint[]) => bigint>>(coreBytes('release'));
  return {
    call: (name, ...values) => exports[name]!(...values),
    memory: () => exports.memory!.buffer as ArrayBuffer,
    repeat: ({ name, values: [first = 0n, second], step, repeat }) => {
      const run = exports[name]!;
      for (let i = 0, at = first; i < repeat; i++, at += step) run(at, second ?? 0n);
    },
  };
};

const inWasm3 = (): Core => {
  const instance = instantiate(coreBytes('release'));
  return {
    call: (name, ...values) => instance.call(name, ...values),
    memory: () => instance.memory,
    repeat: ({ name, values, step, repeat }) => instance.callRepeatedly(repeat, step, name, ...values),
  };
};

const prepared = (make: () => Core): Core => {
  const core = make();
  core.call('init', NR_SECTORS, 1n << 20n, 0n);
  core.call('header_create', 1n << 50n, 1n);
  for (let section = 0n; section < 16n; section++) core.call('section_request', section);
  core.call('commit_copy', 0n, 2048n);
  new BigUint64Array(core.memory(), Number(core.call('buffer_address')), 2).set([40000n, 8n]);
  return core;
};

const measure = (make: () => Core, what: Row): number => {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const core = prepared(make);
    const before = process.cpuUsage();
    core.repeat(what);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1000) / what.repeat);
  }
  return best;
};

console.log(`core.wasm: ${coreBytes('release').length} bytes\n`);
console.log(`${'ns per call'.padEnd(32)}${'V8'.padStart(8)}${'wasm3'.padStart(8)}`);
for (const what of ROWS) {
  const cells = [inV8, inWasm3].map((make) =>
    measure(make, what)
      .toFixed(what.repeat < 1000 ? 0 : 1)
      .padStart(8),
  );
  console.log(what.label.padEnd(32) + cells.join(''));
}
