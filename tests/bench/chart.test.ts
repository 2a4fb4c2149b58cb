import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chartOf, groupsOf } from './chart.js';
import { type Part, Results } from './part.js';

const part: Part = {
  name: 'part',
  title: 'A part',
  states: { none: 'no module', ours: 'ours', 'dm-other': 'dm-snapshot' },
  kinds: { small: 'small', large: 'large' },
  fields: [{ name: 'ms', title: 'ms', digits: 1 }],
  aims: [
    { field: 'ms', states: ['ours'], to: 'dm-other', atMost: 1 },
    { field: 'ms', states: ['ours'], to: 'none', atMost: 2 },
  ],
  chart: [
    { field: 'ms', title: 'longest', as: 'number' },
    { field: 'ms', title: 'ratio', as: 'ratio' },
  ],
};
const results = new Results([
  { round: 1, state: 'none', kind: 'small', ms: 20 },
  { round: 1, state: 'ours', kind: 'small', ms: 30 },
]);

test('a group has the bars that were measured, with their aims to the baseline in its unit', () => {
  const groups = groupsOf(part, results).map(({ title, bars }) => ({
    title,
    bars: bars.map(({ label, value, aim }) => [label, value, aim]),
  }));
  assert.equal(groups, [
    {
      title: 'small: longest',
      bars: [
        ['no module', 20, undefined],
        ['ours', 30, 40],
      ],
    },
    {
      title: 'small: ratio',
      bars: [
        ['no module', 1, undefined],
        ['ours', 1.5, 2],
      ],
    },
  ]);
});

test('a chart has all groups within its size, and words that are no markup', () => {
  const svg = chartOf('A <part> & more', 'about it', groupsOf(part, results));
  assert.match(svg, '<title>A &lt;part&gt; &amp; more</title>');
  const number = (pattern: RegExp): number => Number(pattern.exec(svg)![1]);
  const [width, height] = [number(/<svg[^>]* width="(\d+)"/), number(/<svg[^>]* height="(\d+)"/)];
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="(\d+)"/g)];
  assert.is(bars.length, 4 + 2, 'bars, and marks of aims');
  for (const [, x, y, w, h] of bars) {
    assert.ok(Number(x) + Number(w) <= width);
    assert.ok(Number(y) + Number(h) <= height);
  }
  for (const [, y] of svg.matchAll(/<text x="\d+" y="(\d+)"/g)) assert.ok(Number(y) < height);
});

test('figures that are all zero are drawn', () => {
  const zero = new Results([{ round: 1, state: 'none', kind: 'small', ms: 0 }]);
  assert.not.match(chartOf('zero', '', groupsOf(part, zero).slice(0, 1)), 'NaN');
});

test.run();
