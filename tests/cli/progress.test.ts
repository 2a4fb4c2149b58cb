/** --progress json: events for programs. */
import { copyFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Progress, withProgressValue } from '../../cli/terminal/progress.js';
import { backUp, makeMachine, writeVolume } from './backup-scene.js';
import { at, runTool } from './tool.js';
import { makeScene, SNAP, update } from './update-scene.js';

interface Event {
  readonly event: string;
  readonly text?: string;
  readonly done_bytes?: number;
  readonly total_bytes?: number;
  readonly bytes_per_second?: number | null;
  readonly seconds_left?: number | null;
}

/** The events in what was printed; other lines begin with the name of a tool. */
const eventsIn = (stderr: string): Event[] =>
  stderr
    .split('\n')
    .filter((line) => line !== '' && !/^(datto|update)-/.test(line))
    .map((line) => JSON.parse(line) as Event);

test('the word after --progress is its value only if that is json', () => {
  const words = (line: string): string => withProgressValue(line.split(' ')).join(' ');
  assert.is(words('--progress /dev/vdb /backup'), '--progress=always /dev/vdb /backup');
  assert.is(words('run --progress json data'), 'run --progress=json data');
  assert.is(words('run --progress=json json'), 'run --progress=json json');
  assert.is(words('a json --progress'), 'a json --progress=always');
  assert.is(words('-- --progress json'), '-- --progress json');
  assert.is(words('--no-progress json'), '--no-progress json');
});

test('events are one object a line, at most one a second, and the last of a copy always', () => {
  const written: string[] = [];
  let now = 1_000_000;
  const streams = {
    out: () => assert.unreachable(),
    err: (text: string) => void written.push(text),
    interactive: true,
  };
  const progress = new Progress(streams, 'json', () => now);
  progress.step('copying "it"\n');
  for (let step = 1; step <= 40; step++) {
    now += 100;
    progress.update(step * 1000, 40_000);
  }
  progress.clear();
  assert.ok(written.every((line) => /^\{[^\n]*\}\n$/.test(line)));
  const events = eventsIn(written.join(''));
  assert.equal(events[0], { event: 'step', text: 'copying "it"\n' });
  assert.equal(events[1], {
    event: 'progress',
    ...{ done_bytes: 1000, total_bytes: 40_000, bytes_per_second: null, seconds_left: null },
  });
  assert.equal(events[3], {
    event: 'progress',
    ...{ done_bytes: 21_000, total_bytes: 40_000, bytes_per_second: 10_000, seconds_left: 2 },
  });
  assert.equal([events.length, events.at(-1)?.done_bytes, events.at(-1)?.seconds_left], [6, 40_000, null]);
});

test('each tool that copies or compares has them on standard error, also with --quiet and --json', () => {
  makeMachine();
  const events = eventsIn(backUp(['--progress', 'json', '--quiet']).stderr);
  assert.ok(events.some(({ event, text }) => event === 'step' && text?.startsWith('copying the volume to ')));
  const ends = events.filter(({ done_bytes: done, total_bytes: total }) => done !== undefined && done === total);
  assert.equal(
    ends.map(({ total_bytes: total }) => total),
    [4 * 2 ** 20, 4 * 2 ** 20],
  );
  writeVolume([1]);
  const { stdout, stderr } = backUp(['--progress=json', '--json', '--keep-previous', 'nothing']);
  assert.is((JSON.parse(stdout) as { kind: string }).kind, 'incremental');
  assert.is(eventsIn(stderr).at(-1)?.done_bytes, 4096);
  makeScene();
  assert.is(eventsIn(update({}, ['--progress', 'json']).stderr).at(-1)?.event, 'progress');
  copyFileSync(SNAP, at('same'));
  const compared = runTool('datto-verify', ['compare', '--progress', 'json', SNAP, at('same')]);
  assert.is(eventsIn(compared.stderr).at(-1)?.event, 'progress');
  assert.match(backUp(['--no-progress', '--keep-previous', 'nothing']).stderr, /^$/);
  assert.match(runTool('datto-verify', ['scrub', '--progress=xml', SNAP]).stderr, /Allowed choices are always, json/);
});

test.run();
