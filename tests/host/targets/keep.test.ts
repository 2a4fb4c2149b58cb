import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { keepRulesOf, requireKeepRules, toRemove } from '../../../host/targets/keep.js';

const at = (text: string): { time: Date; text: string } => ({ time: new Date(text), text });

/** Names of what is kept, the oldest first. */
const kept = (rules: string, texts: readonly string[]): string[] => {
  const points = texts.map(at);
  const gone = new Set(toRemove(points, requireKeepRules(rules)));
  return points.filter((point) => !gone.has(point)).map(({ text }) => text);
};

test('rules are read, and nothing else is', () => {
  assert.equal(
    [...(keepRulesOf('latest3,days7, weeks4,months12') ?? [])],
    [
      ['latest', 3],
      ['days', 7],
      ['weeks', 4],
      ['months', 12],
    ],
  );
  for (const wrong of [
    '',
    'days',
    'days0',
    'day3',
    '3days',
    'days3,days4',
    'days3;weeks2',
    'days-1',
    'toString3',
    'days9999999',
  ])
    assert.is(keepRulesOf(wrong), undefined, wrong);
  assert.throws(
    () => requireKeepRules('daily7'),
    (error: unknown) => error instanceof RefusalError && /'daily7': expected some of latest, hours/.test(error.message),
  );
});

test('of each period the newest point is kept', () => {
  const times = ['2026-11-01T08:00', '2026-11-01T20:00', '2026-11-02T08:00', '2026-11-04T08:00', '2026-11-04T09:00'];
  assert.equal(kept('days2', times), ['2026-11-02T08:00', '2026-11-04T09:00']);
  assert.equal(kept('days3', times), ['2026-11-01T20:00', '2026-11-02T08:00', '2026-11-04T09:00']);
  assert.equal(kept('latest3', times), times.slice(2));
  assert.equal(kept('hours2', times), times.slice(3));
  assert.equal(kept('years5', times), times.slice(-1));
});

test('a period without a point does not count, and rules add up', () => {
  const times = ['2025-12-31T12:00', '2026-03-01T12:00', '2026-11-02T12:00', '2026-11-08T12:00', '2026-11-09T12:00'];
  // 2026-11-02 to 2026-11-08 is a week.
  assert.equal(kept('weeks2', times), times.slice(3));
  assert.equal(kept('months3', times), ['2025-12-31T12:00', '2026-03-01T12:00', '2026-11-09T12:00']);
  assert.equal(kept('latest2,months3', times), ['2025-12-31T12:00', '2026-03-01T12:00', ...times.slice(3)]);
});

test('the last point is always kept', () => {
  const same = [at('2026-01-01T00:00'), at('2026-01-01T00:00')];
  assert.equal(toRemove(same, requireKeepRules('latest1')), same.slice(0, 1));
  // The clock was set back before the last one was made.
  const back = ['2026-01-01T00:00', '2026-03-01T00:00', '2026-02-01T00:00'];
  assert.equal(kept('latest1', back), back.slice(1));
  assert.equal(toRemove([], requireKeepRules('latest1')), []);
});

test('a day ends where a clock on the wall says so', () => {
  // The clock goes back in this night: this day has 25 hours in most of Europe.
  const times = ['2026-10-24T23:30', '2026-10-25T00:30', '2026-10-25T23:30'];
  assert.equal(kept('days1', times), times.slice(2));
  assert.equal(kept('days2', times), ['2026-10-24T23:30', '2026-10-25T23:30']);
});

test.run();
