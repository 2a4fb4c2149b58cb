/** One suite for every tool: what a user may expect of each, whatever it is asked to do. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tools } from '../../scripts/build-cli.js';
import { commandsOf, toolProgram } from '../../scripts/tool-programs.js';
import type { Case, Fault, Row } from './conformance.js';
import { CASES, EXEMPT, makeInputs, nameOf, rows } from './conformance.js';
import type { Fakes, Outcome } from './tool.js';
import { at, environment, folder, runTool, toolPath } from './tool.js';

const { EACCES, EIO, EISDIR, ENOENT, ENOSPC } = constants.errno;
const OUTPUT = at('output');
const SHORT = at('short');

/** A larger file is compared by its inode, size and times only, since every write changes its times. */
const LARGE_BYTES = 65536;
const contentOf = (path: string, size: bigint): string => (size > LARGE_BYTES ? '' : readFileSync(path, 'latin1'));

/** Content and times of each file in the tests' folder, and in those below it that stand for a folder of images and a volume. */
const look = (): Map<string, string> =>
  new Map(
    ['.', 'backups', 'machine/mount']
      .flatMap((below) =>
        readdirSync(at(below), { recursive: below !== '.', encoding: 'utf8' })
          .map((name) => join(below, name))
          .filter((name) => statSync(at(name)).isFile()),
      )
      // The lock of a folder of images stays, and says nothing.
      .filter((name) => !name.endsWith('.lock'))
      .map((name) => {
        const { ino, size, mtimeNs, ctimeNs } = statSync(at(name), { bigint: true });
        return [name, [ino, size, mtimeNs, ctimeNs, contentOf(at(name), size)].join(' ')];
      }),
  );

/** From one interrupt to the next it is so many changes further, and a part of those before: a quarter, or half in npm test. */
const STEP = 2;
const PART = process.env.LONG ? 4 : 2;

const covered = new Set<string>();
const covers = ({ tool }: Row, ...cases: readonly Case[]): void =>
  cases.forEach((name) => covered.add(`${tool}: ${name}`));

const FAULT_CASES: Readonly<Record<Fault, Case>> = {
  missing: 'missing input',
  badDisk: 'unreadable input',
  truncated: 'truncated input',
};

const runRow = (row: Row, inputs = row.inputs, fakes: Fakes = {}, before: readonly string[] = []): Outcome => {
  const { args, fakes: own = {} } = row.run(inputs, OUTPUT);
  return runTool(row.tool, [...row.command, ...before, ...args], { ...own, ...fakes });
};

/** One line that says which tool it is from, and nothing on standard output. */
const assertOneLine = ({ stdout, stderr }: Outcome, { tool, announces }: Row, where: string): void => {
  assert.match(stdout, announces ?? /^$/, where);
  assert.match(stderr, new RegExp(`^${tool}: [^\\n]+\\n$`), where);
  assert.not.match(stderr, /undefined|\bat .*:\d+:\d+|Error:/, where);
};

const assertFailed = (outcome: Outcome, row: Row, status: number, where: string): void => {
  assert.is(outcome.status, status, `${where}: ${outcome.stderr}`);
  assertOneLine(outcome, row, where);
};

/** A command line that is wrong. */
const assertUsage = (outcome: Outcome, row: Row, where: string): void => {
  assert.is(outcome.status, row.statuses.usage, `${where}: ${outcome.stderr}`);
  if (row.usageOn === undefined) assertOneLine(outcome, row, where);
  else assert.match(outcome[row.usageOn], /^Usage:/, where);
  if (row.usageOn === 'stderr') assert.is(outcome.stdout, '', where);
};

/** Parts of the suite may be asked for by their names. */
const only = process.env.CONFORMANCE ?? '';

for (const row of rows.filter((candidate) => nameOf(candidate).includes(only))) {
  const name = nameOf(row);
  const { statuses } = row;

  const unchanged = (run: () => void, where = name): void => {
    const before = look();
    run();
    assert.equal(look(), before, `${where}: files are as they were`);
  };

  test(`${name}: help, and a command line that is wrong`, () => {
    makeInputs(row);
    unchanged(() => {
      const words = row.command.filter((word) => !word.startsWith('-'));
      const help = runTool(row.tool, [...words, '--help']);
      assert.equal([help.status, help.stderr], [0, '']);
      assert.match(help.stdout, /^Usage: /);
      covers(row, 'help');
      if (row.takesAnything !== true) {
        assertUsage(runRow(row, row.inputs, {}, ['--bogus']), row, 'bad option');
        covers(row, 'bad option');
      }
      const { args, fakes } = row.run(row.inputs, OUTPUT);
      if (args.length > 0) {
        covers(row, 'missing argument');
        assertUsage(runTool(row.tool, [...row.command, ...args.slice(0, -1)], fakes), row, 'missing argument');
      }
    });
  });

  for (const input of Object.keys(row.inputs)) {
    test(`${name}: ${input} that cannot be used`, () => {
      makeInputs(row);
      const path = row.inputs[input] ?? '';
      writeFileSync(SHORT, readFileSync(path).subarray(0, 40));
      const inPlace = (other: string): typeof row.inputs => ({ ...row.inputs, [input]: other });
      unchanged(() => {
        const expected = (fault: Fault, common: number): number | undefined => {
          const own = row.expects?.[input] ?? {};
          return fault in own ? own[fault] : common;
        };
        const assertFault = (fault: Fault, common: number, run: () => Outcome): void => {
          const status = expected(fault, common);
          if (status === undefined) return;
          covers(row, FAULT_CASES[fault]);
          const outcome = run();
          assert.is(outcome.status, status, `${fault}: ${outcome.stderr}`);
          // Findings are no failure.
          if (status === 3) assert.is(outcome.stderr, '', fault);
          else assertOneLine(outcome, row, fault);
        };
        assertFault('missing', statuses.errno(ENOENT), () => runRow(row, inPlace(at('missing'))));
        const asFolder = runRow(row, inPlace(at('folder')));
        assert.ok([statuses.errno(EISDIR), statuses.refused].includes(asFolder.status ?? 0), asFolder.stderr);
        assertOneLine(asFolder, row, 'folder');
        // Nobody writes to it, and nobody listens: whoever waited for it would be ended.
        for (const stream of ['fifo', 'socket'])
          assertFailed(runRow(row, inPlace(at(`folder/${stream}`))), row, statuses.refused, stream);
        covers(row, 'folder as input', 'FIFO or socket as input', 'forbidden input');
        assertFailed(runRow(row, row.inputs, { FAKE_DENIED: path }), row, statuses.errno(EACCES), 'denied');
        assertFault('badDisk', statuses.errno(EIO), () => runRow(row, row.inputs, { FAKE_BAD_DISK: path }));
        assertFault('truncated', statuses.refused, () => runRow(row, inPlace(SHORT)));
      });
    });
  }

  test(`${name}: standard output that is full, or that nobody reads`, () => {
    const { args, fakes = {} } = row.run(row.inputs, OUTPUT);
    const spawned = (stdout: number): Outcome => {
      makeInputs(row);
      const { status, stderr } = spawnSync(toolPath(row.tool), [...row.command, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', stdout, 'pipe'],
        cwd: folder,
        env: environment(fakes),
      });
      closeSync(stdout);
      rmSync(OUTPUT, { force: true });
      return { status, stderr, stdout: '' };
    };
    const full = spawned(openSync('/dev/full', 'w'));
    if (full.status !== 0) assertFailed(full, row, full.status ?? 0, 'full');
    makeInputs(row);
    const { status: plain, stdout: said } = runRow(row);
    rmSync(OUTPUT, { force: true });
    if (plain === 0 && said !== '') covers(row, 'full standard output', 'closed standard output');
    // A run that has something to say fails where it cannot; a run that failed anyway keeps its status.
    assert.is(full.status, plain === 0 && said !== '' ? statuses.errno(ENOSPC) : plain, full.stderr);
    // The writing end of a pipe without a reader.
    rmSync(at('pipe'), { force: true });
    spawnSync('mkfifo', [at('pipe')]);
    const both = openSync(at('pipe'), 'r+');
    const writer = openSync(at('pipe'), 'w');
    closeSync(both);
    const gone = spawned(writer);
    rmSync(at('pipe'));
    assert.is(gone.status, plain === 0 && said !== '' ? statuses.readerGone : plain, gone.stderr);
    if (plain === 0) assert.is(gone.stderr, '');
  });

  if (row.writes === true) {
    test(`${name}: no space for what it writes, and an interrupt at any moment`, () => {
      makeInputs(row);
      const status = row.full ?? statuses.errno(ENOSPC);
      unchanged(() => assertFailed(runRow(row, row.inputs, { FAKE_FULL: '1' }), row, status, 'full'));
      covers(row, 'no space for output', 'interrupt');
      let interrupted = 0;
      for (let step = 1; ; step += STEP + Math.floor(step / PART)) {
        makeInputs(row);
        const before = look();
        const { args, fakes = {} } = row.run(row.inputs, OUTPUT);
        const { status, signal, stderr } = spawnSync(toolPath(row.tool), [...row.command, ...args], {
          encoding: 'utf8',
          env: environment({ ...fakes, FAKE_KILL_AT: `${step}`, FAKE_SIGNAL: '2' }),
        });
        if (status === 0) {
          assert.ok(interrupted > 0);
          break;
        }
        interrupted++;
        assert.is(signal, 'SIGINT', `step ${step}: ${status}, ${stderr}`);
        const left = [...look().keys()].filter((file) => !before.has(file) && file !== 'output');
        for (const file of left) assert.match(file, row.leaves ?? /^$/, `step ${step}`);
        // What is there under its own name is whole, and saying it again does what was to be done.
        const again = runRow(row);
        assert.ok(again.status === 0 || again.status === row.allDone, `step ${step}: ${again.stderr}`);
        row.proves?.();
        for (const file of [...left, 'output']) rmSync(at(file), { force: true });
        assert.ok(step < 5000);
      }
    });
  } else {
    test(`${name}: an interrupt`, () => {
      makeInputs(row);
      const { args, fakes = {} } = row.run(row.inputs, OUTPUT);
      unchanged(() => {
        const signals = [...Object.values(row.inputs), ...(row.opens === undefined ? [] : [row.opens])].map((path) => {
          const env = environment({ ...fakes, FAKE_INTERRUPT: path });
          const { status, signal, stdout } = spawnSync(toolPath(row.tool), [...row.command, ...args], {
            env,
            encoding: 'utf8',
          });
          if (signal !== null) assert.is(stdout, '');
          return signal ?? status;
        });
        // Of some inputs only the size is asked; what opens nothing cannot be interrupted here.
        if (signals.length === 0) return;
        assert.ok(signals.includes('SIGINT'), `${signals}`);
        covers(row, 'interrupt');
      });
    });
  }
}

test('every command of every tool has a row', async () => {
  for (const tool of tools) {
    const names = commandsOf(await toolProgram(tool)).map((command) => command.name());
    const covered = rows.filter((row) => row.tool === tool).map(({ command: [name] }) => name);
    assert.ok(covered.length > 0, `${tool} has no row in conformance.ts`);
    assert.equal(
      names.filter((name) => !covered.includes(name)),
      [],
      tool,
    );
  }
});

for (const tool of tools) {
  test(`${tool}: version, no argument at all, and one that is no UTF-8`, () => {
    const row = rows.find((candidate) => candidate.tool === tool);
    assert.ok(row);
    for (const option of ['--version', '-V']) {
      const { status, stdout, stderr } = runTool(row.tool, [option]);
      assert.equal([status, stderr], [0, '']);
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    }
    covers(row, 'version');
    assertUsage(runTool(row.tool, []), row, 'no argument');
    // Node makes U+FFFD of such bytes, which is the name of another file.
    writeFileSync(at('caf\ufffd'), 'of somebody else');
    const script = `exec "$0" ${row.command.join(' ')} $'caf\\xe9'`;
    const options = { encoding: 'utf8', cwd: folder, env: environment({ FAKE_DRIVER: '1' }) } as const;
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, toolPath(row.tool)], options);
    assert.equal([status, stdout], [row.statuses.usage, '']);
    assert.is(stderr, `${tool}: cannot use caf\\xe9: it is not valid UTF-8, expected a name that is; rename it\n`);
    covers(row, 'argument that is no UTF-8');
  });
}

if (only === '') {
  test('every case was put to every tool, or is none for it', () => {
    for (const tool of tools) {
      for (const name of CASES) {
        const reason = EXEMPT[tool]?.[name];
        assert.is(covered.has(`${tool}: ${name}`), reason === undefined, `${tool}: ${name}: ${reason ?? 'no row'}`);
      }
    }
  });
}

test.run();
