import { writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeState } from '../../../host/image/state.js';
import { readVerification, verificationFrom } from '../../../host/report/verification.js';
import { refusal, temporaryFolder } from '../inspect/files.js';

const at = temporaryFolder();
const SERIES = '59f6e5eca78e40df90f8d4c98373e791';
const OTHER = '0'.repeat(32);

const judge = (fields: unknown): string => verificationFrom(JSON.stringify(fields), 'result', SERIES).verdict;

test('a state file is good if it says so of this series', () => {
  const state = { state: 'CLEAN', series: SERIES, sequence: 5n, bytes: 4096 } as const;
  const verdict = (fields: Parameters<typeof writeState>[1]): string => {
    writeState(at('state'), fields);
    return readVerification(at('state'), SERIES).verdict;
  };
  assert.is(verdict(state), 'good');
  assert.is(verdict({ ...state, state: 'DIFFERS' }), 'bad');
  assert.is(verdict({ ...state, state: 'UPDATING', next: 6n, cursor: 0, changedBlocks: 3 }), 'bad');
  assert.is(verdict({ ...state, series: OTHER }), 'unknown');
});

test('results of datto-verify and datto-backup are judged by their counts', () => {
  const compared = { compared_blocks: 7, sampled_blocks: 1, differing_blocks: 0 };
  assert.is(judge(compared), 'good');
  assert.is(judge({ ...compared, differing_blocks: 1 }), 'bad');
  assert.is(judge({ ...compared, compared_blocks: 0 }), 'unknown');
  const scrubbed = { blocks: 9, rotten_blocks: 0, manifest_flaws: 0, series: SERIES, sequence: 5, findings: [] };
  assert.is(judge(scrubbed), 'good');
  assert.is(judge({ ...scrubbed, rotten_blocks: 1 }), 'bad');
  assert.is(judge({ ...scrubbed, manifest_flaws: 1 }), 'bad');
  assert.is(judge({ ...scrubbed, series: OTHER }), 'unknown');
  const backedUp = { series: SERIES, sequence: 5, compared_blocks: 7, differing_blocks: 0, failed_blocks: 0 };
  assert.is(judge(backedUp), 'good');
  assert.is(judge({ ...backedUp, failed_blocks: 2 }), 'bad');
});

test('of a list of backups, the one of the series counts', () => {
  const backup = (series: string, verdict: string) => ({
    name: 'n',
    verdict,
    reasons: ['r'],
    last_success: { series },
  });
  assert.is(judge({ verdict: 'bad', backups: [backup(OTHER, 'bad'), backup(SERIES, 'good')] }), 'good');
  assert.is(judge({ verdict: 'bad', backups: [backup(OTHER, 'good')] }), 'unknown');
  const { facts } = verificationFrom(JSON.stringify({ backups: [backup(SERIES, 'bad')] }), 'result', SERIES);
  assert.ok(facts.some(([name, value]) => name === 'reason' && value === 'r'));
});

test('anything else is refused', () => {
  const texts = ['', '5', 'null', '[]', '{}', '{"compared_blocks":1}', '{"compared_blocks":-1,"differing_blocks":0}'];
  for (const text of [...texts, '{"format":"dattobd image state"}']) {
    writeFileSync(at('result'), text);
    assert.is(
      refusal(() => readVerification(at('result'), SERIES)),
      'VERIFICATION_UNKNOWN',
      text,
    );
  }
});

test.run();
