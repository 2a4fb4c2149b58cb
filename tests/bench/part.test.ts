import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Figure, isReached, type Part, Results, tableOf } from './part.js';

const part: Part = {
  name: 'part',
  title: 'A part',
  states: { none: 'no module', ours: 'ours', other: 'the other' },
  kinds: { small: 'small writes', large: 'large writes' },
  fields: [
    { name: 'ms', title: 'ms', digits: 1, withRatio: true },
    { name: 'count', title: 'writes', digits: 0 },
  ],
  aims: [
    { field: 'ms', states: ['ours'], to: 'none', atMost: 2 },
    { field: 'ms', states: ['ours'], to: 'other', kinds: ['small'], atMost: 1 },
  ],
  chart: [{ field: 'ms', title: 'ms', as: 'number' }],
};

const figure = (round: number, state: string, ms: number): Figure => ({ round, state, kind: 'small', ms, count: 10 });
const results = new Results([
  ...[10, 20, 40].map((ms, index) => figure(index + 1, 'none', ms)),
  ...[30, 20, 60].map((ms, index) => figure(index + 1, 'ours', ms)),
  figure(2, 'other', 16),
]);

test('a ratio is taken within a round, and is the median over the rounds', () => {
  assert.is(results.ratio('ours', 'small', 'ms', 'none'), 1.5);
  assert.is(results.median('ours', 'small', 'ms'), 30);
});

test('a ratio counts the rounds that have both', () => {
  assert.is(results.ratio('ours', 'small', 'ms', 'other'), 1.25);
  assert.is(results.ratio('ours', 'large', 'ms', 'none'), undefined);
  assert.is(results.median('ours', 'large', 'ms'), undefined);
});

test('each figure of a round is compared with the one of the baseline', () => {
  const twice = new Results([figure(1, 'none', 10), figure(1, 'ours', 10), figure(1, 'ours', 30)]);
  assert.is(twice.ratio('ours', 'small', 'ms', 'none'), 2);
});

test('the limit itself is reached', () => {
  const aim = { field: 'ms', states: [], to: 'none' };
  assert.ok(isReached(2, { ...aim, atMost: 2 }));
  assert.not(isReached(2.01, { ...aim, atMost: 2 }));
  assert.ok(isReached(0.5, { ...aim, atLeast: 0.5 }));
  assert.not(isReached(0.49, { ...aim, atLeast: 0.5 }));
});

test('a table has a line for each state that was measured, with its aims', () => {
  assert.equal(tableOf(part, results, 'small'), [
    '             ms  ratio  writes',
    'no module  20.0   1.00      10',
    'ours       30.0   1.50      10  reached (aim: at most 2); MISSED (aim: at most 1 of the other, is 1.25)',
    'the other  16.0   0.80      10',
  ]);
  assert.equal(tableOf(part, results, 'large'), []);
});

test('an aim whose other side was not measured is not missed', () => {
  const alone = new Results([figure(1, 'none', 10), figure(1, 'ours', 10)]);
  assert.match(
    tableOf(part, alone, 'small')[2]!,
    /reached \(aim: at most 2\); not measured \(aim: at most 1 of the other\)$/,
  );
});

test('an aim may be to the same state of another kind', () => {
  const aims = [{ field: 'ms', states: ['ours'], kinds: ['large'], toKind: 'small', atMost: 2 }];
  const both = new Results([figure(1, 'ours', 10), { ...figure(1, 'ours', 25), kind: 'large' }]);
  assert.match(tableOf({ ...part, aims }, both, 'large')[1]!, /MISSED \(aim: at most 2 of small writes, is 2.50\)$/);
});

test.run();
