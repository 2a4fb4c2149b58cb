import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { aroundSnapshot, type HookRequest, hooksOf } from '../../../host/backup/hooks.js';
import { RefusalError } from '../../../host/errors.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';

const NOBODY = 65534;
const scratch = mkdtempSync(join(tmpdir(), 'datto-hooks-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const [LOG, MARK, FOLDER] = ['log', 'mark', 'hooks.d'].map((name) => join(scratch, name)) as [string, string, string];
const syscalls = nativeSyscalls();

const makeProgram = (name: string, text: string): string => {
  const path = join(scratch, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
};

/** A program that notes in the log how it was run, and then does more. */
const noting = (name: string, more = ''): string =>
  makeProgram(name, `echo "${name} $* $DATTO_HOOK \${DATTO_OUTCOME-unset}" >>${LOG}\n${more}`);

const log = (): string[] => (existsSync(LOG) ? readFileSync(LOG, 'utf8').trimEnd().split('\n') : []);

const setUp = (): void => {
  for (const path of [LOG, MARK, FOLDER]) rmSync(path, { recursive: true, force: true });
  mkdirSync(FOLDER, { mode: 0o755 });
};

const request = (more: Partial<HookRequest> = {}): HookRequest => ({ volume: '/dev/vdb', folder: '/backup', ...more });

const around = (more: Partial<HookRequest>, take: () => void = () => undefined): string[] => {
  const failures: string[] = [];
  aroundSnapshot(hooksOf([request(more)]), syscalls, take, (text) => failures.push(text));
  return failures;
};

const refusal = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    assert.instance(error, RefusalError);
    return `${(error as RefusalError).code}: ${(error as RefusalError).message}`;
  }
  throw new Error('there is no refusal');
};

test('hooks run in their order before the snapshot, and in the opposite order after it', () => {
  setUp();
  for (const name of ['20-b', '10-a', '30.dpkg-old', 'c~']) noting(`hooks.d/${name}`);
  const taken = (): void => writeFileSync(LOG, 'taken\n', { flag: 'a' });
  const failures = around({ before: noting('quiesce'), after: `${noting('resume')} now`, hookFolder: FOLDER }, taken);
  assert.equal(failures, []);
  assert.equal(log(), [
    'hooks.d/10-a before before unset',
    'hooks.d/20-b before before unset',
    'quiesce  before unset',
    'taken',
    'resume now after taken',
    'hooks.d/20-b after after taken',
    'hooks.d/10-a after after taken',
  ]);
});

test('the environment has the volume and the folder of the images', () => {
  setUp();
  around({ before: makeProgram('show', `echo "$DATTO_VOLUME $DATTO_FOLDER" >>${LOG}`) });
  assert.equal(log(), ['/dev/vdb /backup']);
});

test('no hook, and a folder that does not exist, is nothing to run', () => {
  setUp();
  rmSync(FOLDER, { recursive: true });
  assert.equal(around({ hookFolder: FOLDER }), []);
});

test('a hook that fails before the snapshot forbids it, and what was begun is ended', () => {
  setUp();
  noting('hooks.d/a');
  const take = (): void => assert.unreachable();
  const before = noting('quiesce', 'exit 3');
  const text = refusal(() => around({ before, after: noting('resume'), hookFolder: FOLDER }, take));
  assert.is(
    text,
    `HOOK_FAILED: cannot back up /dev/vdb: the hook ${before} ended with status 3; no snapshot was taken`,
  );
  assert.equal(log().slice(2), ['resume  after failed', 'hooks.d/a after after failed']);
});

test('a hook that takes too long is ended, with all that it started', () => {
  setUp();
  const before = noting('quiesce', 'sleep 1000 & sleep 1000');
  const text = refusal(() => around({ before, after: noting('resume'), hookSeconds: 1 }, () => assert.unreachable()));
  assert.match(text, /quiesce took longer than 1 s; no snapshot was taken$/);
  assert.is(log().at(-1), 'resume  after failed');
  const by = refusal(() => around({ before: makeProgram('die', 'kill -USR1 $$') }));
  assert.match(by, /die was ended by signal 10; /);
});

test('after a snapshot that failed, hooks know it, and its error stays', () => {
  setUp();
  const take = (): void => {
    throw new Error('no snapshot');
  };
  assert.throws(
    () => around({ before: noting('quiesce'), after: noting('resume') }, take),
    /^no snapshot$|no snapshot/,
  );
  assert.equal(log(), ['quiesce  before unset', 'resume  after failed']);
});

test('a hook that fails after the snapshot is reported, and the others run', () => {
  setUp();
  noting('hooks.d/a', '[ "$1" = before ]');
  const after = noting('resume', 'exit 4');
  assert.equal(around({ after, hookFolder: FOLDER }), [
    `the hook ${after} ended with status 4, after the snapshot`,
    `the hook ${FOLDER}/a ended with status 1, after the snapshot`,
  ]);
});

test('nothing in a command has a meaning, except to a shell that it names', () => {
  setUp();
  const print = makeProgram('print', `printf '<%s>' "$@" >>${LOG}; echo >>${LOG}`);
  around({ before: `${print} $HOME  * 'a b' ;true "\`id\`" \\n`, after: `/bin/sh -c ${print} 'a b' "$DATTO_VOLUME"` });
  assert.equal(log(), [`<$HOME><*><'a><b'><;true><"\`id\`"><\\n>`, '<a b></dev/vdb>']);
  for (const command of ['print', './print', '', '-c', `${print}\n/bin/true`, `${print}\0`])
    assert.match(
      refusal(() => around({ before: command })),
      /^CONFIG_WRONG: [\s\S]* expected an absolute path/,
    );
});

test('a program that others can change is refused, and so is one in a folder of theirs, by whatever links', () => {
  setUp();
  const program = makeProgram('program', '');
  const refused = (flaw: RegExp, command = program): void =>
    void assert.match(
      refusal(() => hooksOf([request({ after: command })])),
      flaw,
    );
  for (const mode of [0o775, 0o757]) {
    chmodSync(program, mode);
    refused(/^FILE_UNSAFE: .*program: it can be written to by others/);
  }
  chmodSync(program, 0o644);
  refused(/program: it is not executable, expected a program; hint: chmod \+x$/);
  refused(/is a folder, expected a program/, FOLDER);
  chmodSync(program, 0o755);
  const theirs = join(scratch, 'theirs');
  rmSync(theirs, { recursive: true, force: true });
  mkdirSync(theirs);
  chmodSync(theirs, 0o777);
  symlinkSync(program, join(theirs, 'link'));
  const link = join(FOLDER, 'link');
  symlinkSync(join(theirs, 'link'), link);
  for (const path of [join(theirs, 'link'), link]) refused(/theirs: it can be written to by others/, path);
  chmodSync(theirs, 0o755);
  hooksOf([request({ after: link, hookFolder: FOLDER })]);
  if (process.geteuid?.() === 0) {
    chownSync(program, NOBODY, NOBODY);
    refused(/program: it belongs to user 65534, expected root/);
    chownSync(program, 0, 0);
    chownSync(theirs, NOBODY, NOBODY);
    refused(/theirs: it belongs to user 65534/, link);
  }
  chmodSync(FOLDER, 0o777);
  assert.match(
    refusal(() => hooksOf([request({ hookFolder: FOLDER })])),
    /hooks\.d: it can be written to by others/,
  );
});

const RUN = fileURLToPath(new URL('hook-run.ts', import.meta.url));

/** Starts a process that takes a snapshot between hooks, and calls `run` with its number once a file is there. */
const killed = async (more: Partial<HookRequest>, file: string, signal: NodeJS.Signals): Promise<void> => {
  const child = spawn(process.execPath, ['--import', 'tsx', RUN, JSON.stringify(request(more)), MARK], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // The guards have the pipes open until they end.
  const ended = new Promise((done) => child.on('close', done));
  child.stdout.resume();
  child.stderr.resume();
  while (!existsSync(file)) await setTimeout(5);
  process.kill(-child.pid!, signal);
  await ended;
};

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)
  test(`a process that ends by ${signal} has its hooks run after it, the last one first`, async () => {
    setUp();
    for (const name of ['a', 'b']) noting(`hooks.d/${name}`, '[ "$1" = before ] || sleep 0.1');
    await killed({ before: noting('quiesce'), after: noting('resume'), hookFolder: FOLDER }, MARK, signal);
    assert.equal(log().slice(3), [
      'resume  after killed',
      'hooks.d/b after after killed',
      'hooks.d/a after after killed',
    ]);
  });

test('where the process is killed while a hook runs before the snapshot, it ends first', async () => {
  setUp();
  const before = noting('quiesce', `sleep 0.2; echo quiesced >>${LOG}`);
  await killed({ before, after: noting('resume') }, LOG, 'SIGKILL');
  assert.equal(log(), ['quiesce  before unset', 'quiesced', 'resume  after killed']);
});

test.run();
