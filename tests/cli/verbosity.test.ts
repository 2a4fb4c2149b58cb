/** --quiet and --verbose, the same for all tools. */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProgressKind } from '../../cli/terminal/progress.js';
import { voiceOf } from '../../cli/terminal/verbosity.js';
import { tools } from '../../scripts/build-cli.js';
import { commandsOf, optionsOf, toolProgram } from '../../scripts/tool-programs.js';
import { makeCowFile } from '../host/cow-maker.js';
import { configure, FAKES, FOLDER, makeMachine, VOLUME, writeVolume } from './backup-scene.js';
import type { Outcome } from './tool.js';
import { at, runTool } from './tool.js';
import { makeScene, SNAP, update } from './update-scene.js';

/** Those that only show something, and have nothing else to print; and the one whose output is messages for a program. */
const SHOW: readonly string[] = ['dbdctl status', 'dbdctl help', 'datto-receive'];

const DETAILS = (tool: string): RegExp => new RegExp(`^(${tool}: \\d+\\.\\d\\d s: [^\\n]+\\n)+$`);

test('each tool and each sub-command has both options, which exclude each other', async () => {
  const flagsOf = (command: Command): string[] => optionsOf(command).map(({ flags }) => flags);
  for (const tool of tools) {
    const program = await toolProgram(tool);
    const commands = commandsOf(program);
    const all: Array<readonly [string, Command]> = commands.map((command) => [`${tool} ${command.name()}`, command]);
    if (program.registeredArguments.length > 0) all.push([tool, program]);
    for (const [name, command] of all.filter(([shown]) => !SHOW.includes(shown)))
      for (const flags of ['-q, --quiet', '-v, --verbose'])
        assert.ok(flagsOf(command).includes(flags), `${name} ${flags}`);
  }
  for (const [tool, ...words] of [
    ['dbdctl', 'destroy', '1'],
    ['update-img', 'a', 'b', 'c'],
    ['datto-verify', 'scrub', 'a'],
    ['datto-inspect', 'info', 'a'],
    ['datto-backup', 'a', 'b'],
  ] as const)
    assert.match(
      runTool(tool, [...words, '-q', '-v'], { FAKE_DRIVER: '1' }).stderr,
      tool === 'dbdctl' ? /: Invalid argument\n$/ : /'-q, --quiet' cannot be used with option '-v, --verbose'/,
    );
});

test('voiceOf() is silent, or has details with seconds, each on one line', () => {
  const printed: string[] = [];
  const streams = { out: (text: string) => printed.push(`out ${text}`), err: (text: string) => printed.push(text) };
  const speak = (options: Parameters<typeof voiceOf>[1]): ProgressKind => {
    const { say, detail, progress } = voiceOf('tool', options, streams);
    say('text\n');
    detail('a\nb');
    return progress;
  };
  assert.equal([speak({}), printed.splice(0)], [undefined, ['out text\n']]);
  assert.equal([speak({ quiet: true }), printed.splice(0)], [false, []]);
  assert.equal([speak({ quiet: true, progress: true }), printed.splice(0)], [true, []]);
  assert.equal([speak({ quiet: true, progress: 'json' }), speak({ progress: 'always' })], ['json', true]);
  printed.splice(0);
  assert.is(speak({ verbose: true, progress: false }), false);
  assert.match(printed.join(''), /^out text\ntool: \d+\.\d\d s: a\\x0ab\n$/);
});

const backup = (...words: string[]): Outcome => runTool('datto-backup', [...words, VOLUME, FOLDER], FAKES);

test('datto-backup', () => {
  makeMachine();
  assert.match(backup('--quiet', '--dry-run').stdout, /^full copy of /);
  assert.equal(backup('--quiet', '--keep-previous', 'nothing'), { status: 0, stdout: '', stderr: '' });
  writeVolume([1]);
  const { stdout, stderr } = backup('-v', '--keep-previous', 'nothing');
  assert.match(stdout, /^incremental, /);
  assert.match(stderr, DETAILS('datto-backup'));
  assert.match(stderr, / s: the snapshot is taken\n[\s\S]* s: \S+\.datto-backup-files\/\S+ lists changed blocks\n/);
  assert.match(backup('-q', '--json', '--keep-previous', 'nothing').stdout, /^\{"dry_run":false,/);
});

test('the sub-commands of datto-backup', () => {
  makeMachine();
  rmSync(at('etc'), { recursive: true, force: true });
  rmSync(at('state'), { recursive: true, force: true });
  configure();
  const sub = (...words: string[]): Outcome => runTool('datto-backup', words, FAKES);
  assert.equal(sub('check-config', '-q'), { status: 0, stdout: '', stderr: '' });
  assert.match(sub('check-config', '-v').stderr, DETAILS('datto-backup'));
  assert.equal(sub('status', '-q'), { status: 2, stdout: '', stderr: '' });
  assert.equal(sub('run', '-q', 'data'), { status: 0, stdout: '', stderr: '' });
  assert.equal(sub('status', '-q', '--max-age', '1h'), { status: 0, stdout: '', stderr: '' });
  assert.match(sub('status', '-v').stderr, DETAILS('datto-backup'));
  assert.equal(sub('end', '-q', 'data'), { status: 0, stdout: '', stderr: '' });
});

test('update-img and datto-verify', () => {
  makeScene();
  assert.equal(update({}, ['-q']), { status: 0, stdout: '', stderr: '' });
  makeScene();
  const { stdout, stderr } = update({}, ['--verbose']);
  assert.match(stdout, /^snapshot is \d+ blocks large\ncopying blocks\ncopying complete: /);
  assert.match(stderr, DETAILS('update-img'));
  copyFileSync(SNAP, at('same'));
  const verify = (...words: string[]): Outcome => runTool('datto-verify', words);
  assert.equal(verify('compare', '-q', SNAP, at('same')), { status: 0, stdout: '', stderr: '' });
  assert.match(verify('compare', '-v', SNAP, at('same')).stderr, DETAILS('datto-verify'));
  assert.match(verify('manifest', '-q', at('same')).stdout, /^root [0-9a-f]{64}\n$/);
  assert.match(verify('scrub', '-q', at('same')).stdout, /^root [0-9a-f]{64}\n$/);
});

test('dbdctl and datto-inspect', () => {
  const dbdctl = (...words: string[]): Outcome => runTool('dbdctl', words, { FAKE_DRIVER: '1' });
  assert.equal(dbdctl('destroy', '-q', '1'), { status: 0, stdout: '', stderr: '' });
  const { stdout, stderr } = dbdctl('setup-snapshot', '--verbose', '-f', '1G', '/dev/sdb1', '/mnt/.cow', '3');
  assert.is(stdout, '');
  assert.match(stderr, DETAILS('dbdctl'));
  makeCowFile(at('cow'), { nrSectors: 4096, entries: [[1, 1n]] });
  const inspect = (...words: string[]): Outcome => runTool('datto-inspect', words);
  assert.match(inspect('blocks', at('cow')).stderr, /^datto-inspect: note: /);
  assert.is(inspect('blocks', '-q', at('cow')).stderr, '');
  assert.match(inspect('info', '-v', at('cow')).stderr, DETAILS('datto-inspect'));
  writeFileSync(at('none'), '');
  assert.match(inspect('info', '-q', at('none')).stderr, /^datto-inspect: cannot /);
});

test.run();
