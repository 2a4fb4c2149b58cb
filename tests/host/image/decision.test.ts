import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RefusalCode } from '../../../host/errors.js';
import { RefusalError } from '../../../host/errors.js';
import type { Decision, Step } from '../../../host/image/decision.js';
import { decide } from '../../../host/image/decision.js';
import type { ImageState, Previous } from '../../../host/image/state.js';

const SERIES = '00112233445566778899aabbccddeeff';
/** COW files of the snapshots 4 and 5, which lead to snapshot 6. */
const STEP: Step = {
  ...{ image: '/backup/image', series: SERIES, from: 4n, to: 6n },
  ...{ changedBlocks: 30, bytes: 2 ** 20, mtime: 1000n },
};
const PREVIOUS: Previous = { kind: 'undo', sequence: 4n, keep: true };
const CLEAN: ImageState = {
  ...{ state: 'CLEAN', series: SERIES, sequence: 5n, bytes: 2 ** 20 },
  ...{ mtime: 1000n, time: '2026-01-01T00:00:00.000Z' },
};
/** Between 5 and 6, half done. */
const UPDATING: ImageState = { ...CLEAN, state: 'UPDATING', next: 6n, cursor: 4096, changedBlocks: 30 };
const STATES = ['CLEAN', 'UPDATING', 'ROLLING_BACK', 'DIFFERS'] as const;

const refusal = (state: ImageState, step: Partial<Step> = {}): RefusalError => {
  try {
    decide(state, { ...STEP, ...step }, false);
  } catch (error) {
    if (error instanceof RefusalError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

const assertRefused = (code: RefusalCode, words: RegExp, state: ImageState, step: Partial<Step> = {}): void => {
  const { code: found, message } = refusal(state, step);
  assert.is(found, code);
  assert.match(message, /^cannot update \/backup\/image: /);
  assert.match(message, words);
};

test('an image of which nothing is known is taken for the snapshot that the lists start from', () => {
  assert.equal(decide(undefined, STEP, false), { action: 'adopt', sequence: 4n, cursor: 0 });
});

test('what the user vouches for is adopted, whatever its state is, and nothing of that is kept', () => {
  for (const state of STATES)
    for (const series of [SERIES, 'f'.repeat(32)])
      assert.equal(decide({ ...UPDATING, state, series, sequence: 9n, previous: PREVIOUS }, STEP, true), {
        ...{ action: 'adopt', sequence: 4n, cursor: 0 },
      });
});

test('an image of another series is refused in every state', () => {
  for (const state of STATES)
    assertRefused('IMAGE_SERIES', /of series f+, expected 0011/, { ...UPDATING, state, series: 'f'.repeat(32) });
});

test('a clean image is updated from where it is, as far as the lists reach', () => {
  for (const sequence of [4n, 5n])
    assert.equal(decide({ ...CLEAN, sequence, previous: PREVIOUS }, STEP, false), {
      ...{ action: 'begin', sequence, cursor: 0 },
    });
  for (const sequence of [0n, 3n, 7n, 2n ** 63n])
    assertRefused('IMAGE_SEQUENCE', new RegExp(`it is snapshot ${sequence}, expected 4 to 5$`), { ...CLEAN, sequence });
  assertRefused('IMAGE_SEQUENCE', /it is snapshot 4, expected 5$/, { ...CLEAN, sequence: 4n }, { from: 5n });
});

test('an image that is the snapshot already is copied again, and what is kept of the one before stays', () => {
  const again = { action: 'again', sequence: 6n, cursor: 0 };
  assert.equal(decide({ ...CLEAN, sequence: 6n }, STEP, false), again);
  assert.equal(decide({ ...CLEAN, sequence: 6n, previous: PREVIOUS }, STEP, false), { ...again, previous: PREVIOUS });
});

test('numbers that differ only beyond what a double holds are told apart', () => {
  const [from, to] = [2n ** 63n, 2n ** 63n + 1n];
  assert.is(decide({ ...CLEAN, sequence: from }, { ...STEP, from, to }, false).action, 'begin');
  assert.is(decide({ ...CLEAN, sequence: to }, { ...STEP, from, to }, false).action, 'again');
  assert.is(refusal({ ...CLEAN, sequence: from - 1n }, { from, to }).code, 'IMAGE_SEQUENCE');
});

test('a clean image that was written since is refused, by a single nanosecond, and whatever snapshot it was', () => {
  for (const sequence of [3n, 5n, 6n])
    assertRefused(
      'IMAGE_CHANGED',
      /wrote it after 2026-01-01T.*use --adopt$/,
      { ...CLEAN, sequence },
      { mtime: 1001n },
    );
  // Devices have no time, nor has a state of older versions.
  const { mtime: _mtime, ...timeless } = CLEAN;
  assert.is(decide(timeless, STEP, false).action, 'begin');
  assert.is(decide(CLEAN, { ...STEP, mtime: undefined }, false).action, 'begin');
});

test('an update that was interrupted resumes at its cursor if the list is the same', () => {
  const resumed: Decision = { action: 'resume', sequence: 5n, cursor: 4096, otherList: false };
  assert.equal(decide(UPDATING, STEP, false), resumed);
  assert.equal(decide({ ...UPDATING, previous: PREVIOUS }, STEP, false), { ...resumed, previous: PREVIOUS });
  // What an update writes changes the time: it says nothing.
  assert.equal(decide(UPDATING, { ...STEP, mtime: 77n }, false), resumed);
  const { cursor: _cursor, ...fromStart } = UPDATING;
  assert.equal(decide(fromStart, STEP, false), { ...resumed, cursor: 0 });
});

test('an update that was interrupted starts over if anything of the list is another', () => {
  const other: ReadonlyArray<[Partial<ImageState>, Partial<Step>]> = [
    [{}, { changedBlocks: 31 }],
    [{}, { changedBlocks: 29 }],
    [{}, { bytes: 2 ** 20 + 512 }],
    [{}, { to: 7n }],
    [{ changedBlocks: 0 }, {}],
  ];
  for (const [state, step] of other)
    assert.equal(decide({ ...UPDATING, ...state }, { ...STEP, ...step }, false), {
      ...{ action: 'resume', sequence: 5n, cursor: 0, otherList: true },
    });
});

test('an update that was interrupted is refused if the lists do not cover all that it touched', () => {
  const { next: _next, ...endless } = UPDATING;
  const missing: ReadonlyArray<[ImageState, Partial<Step>]> = [
    [{ ...UPDATING, sequence: 3n }, {}],
    [{ ...UPDATING, next: 7n }, {}],
    [UPDATING, { from: 6n, to: 7n }],
    [UPDATING, { to: 5n }],
    [endless, {}],
  ];
  for (const [state, step] of missing) {
    assertRefused('IMAGE_INTERRUPTED', /was interrupted, .* give the COW files of all .* --also/, state, step);
    const kept = { ...state, previous: PREVIOUS };
    assertRefused('IMAGE_INTERRUPTED', /`update-img --rollback \/backup\/image` restores snapshot 4$/, kept, step);
  }
});

test('an image that differs is refused, with the way back if there is one', () => {
  const differs: ImageState = { ...CLEAN, state: 'DIFFERS' };
  assertRefused('IMAGE_DIFFERS', /listed as changed; make a full copy of the snapshot and use --adopt$/, differs);
  const kept = { ...differs, previous: PREVIOUS };
  assertRefused('IMAGE_DIFFERS', /listed as changed; `update-img --rollback \/backup\/image`, or make a full/, kept);
});

test('a rollback that was interrupted is finished by a rollback only', () => {
  const rolling: ImageState = { ...CLEAN, state: 'ROLLING_BACK', previous: PREVIOUS };
  for (const sequence of [3n, 4n, 5n, 6n])
    assertRefused('ROLLBACK_INTERRUPTED', /finish it with `update-img --rollback/, { ...rolling, sequence });
});

test('no state of any numbers is updated by lists that leave a gap', () => {
  const numbers = [0n, 1n, 2n, 3n];
  let decided = 0;
  for (const state of STATES)
    for (const sequence of numbers)
      for (const next of numbers.filter((number) => number >= sequence))
        for (const from of numbers)
          for (const to of numbers.filter((number) => number > from)) {
            const known: ImageState = { ...UPDATING, state, sequence, next };
            let decision: Decision;
            try {
              decision = decide(known, { ...STEP, from, to }, false);
            } catch (error) {
              assert.instance(error, RefusalError);
              continue;
            }
            decided++;
            const where = `${state} ${sequence} ${next}, ${from} to ${to}`;
            assert.ok(state === 'CLEAN' || state === 'UPDATING', where);
            assert.ok(sequence >= from && sequence <= to, where);
            if (state === 'UPDATING') assert.ok(next <= to, where);
            assert.is(decision.sequence, sequence, where);
          }
  // 40 clean ones, and 31 that resume.
  assert.is(decided, 71);
});

test.run();
