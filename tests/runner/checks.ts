/** The checks of npm test that are one command each. */
import { runCommand } from './command.js';
import type { Task } from './task.js';

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** what is added to the environment */
  readonly env?: Readonly<Record<string, string>>;
  readonly seconds: number;
}

/** Of what was built before; parts of their names follow. */
const UNIT_TESTS = ['npx', '--no-install', 'tsx', 'tests/run.ts', 'unit', '--jobs', '1', '--no-build'];

const CHECKS: readonly Check[] = [
  { name: 'generated layouts are up to date', command: ['bash', 'scripts/check-layout.sh'], seconds: 2 },
  { name: 'types', command: ['npm', 'run', '-s', 'typecheck'], seconds: 9 },
  { name: 'formatters and linters', command: ['npm', 'run', '-s', 'lint'], seconds: 7 },
  {
    name: 'files: at most 400 lines, kernel versions in compat.h only',
    command: ['bash', 'scripts/check-files.sh'],
    seconds: 1,
  },
  {
    name: 'imports, and includes and calls of kmod-stub, go one way, and in no circle',
    command: ['npx', '--no-install', 'tsx', 'scripts/check-imports.ts'],
    seconds: 2,
  },
  {
    name: 'names in comments and documents are those of the tree',
    command: ['npx', '--no-install', 'tsx', 'scripts/check-names.ts'],
    seconds: 2,
  },
  {
    name: 'texts for users have the usual words',
    command: ['npx', '--no-install', 'tsx', 'scripts/check-words.ts'],
    seconds: 3,
  },
  {
    name: "the tools on Debian 12's Node",
    command: [...UNIT_TESTS, 'cli/conformance', 'cli/dbdctl', 'cli/update-img', 'cli/datto-', 'cli/backup.test'],
    env: { TEST_NODE: '18', CONFORMANCE: 'status' },
    seconds: 60,
  },
  { name: 'sparse and checkpatch on kmod-stub', command: ['bash', 'scripts/check-kmod.sh'], seconds: 55 },
];

/** The long forms of what the unit tests do for seconds. Each prints its seed. */
const LONG_FORMS: readonly Check[] = [
  { name: 'fuzz for 10 minutes', command: ['npx', '--no-install', 'tsx', 'tests/fuzz/datto.ts', '600'], seconds: 610 },
  {
    name: '1,000,000 random operations on the core',
    command: ['npx', '--no-install', 'tsx', 'tests/core/random.test.ts'],
    env: { OPERATIONS: '1000000' },
    seconds: 300,
  },
  {
    name: 'update-img killed 200 times',
    command: ['npx', '--no-install', 'tsx', 'tests/cli/kill-rounds.ts', '200'],
    seconds: 400,
  },
  {
    name: 'datto-backup killed before each of its changes',
    command: ['npx', '--no-install', 'tsx', 'tests/cli/backup-kill-rounds.ts', '1'],
    seconds: 300,
  },
  {
    name: '1,000 flipped bits',
    command: ['npx', '--no-install', 'tsx', 'tests/cli/bit-flips.ts', '1000'],
    seconds: 400,
  },
  ...(['ends', 'mounts', 'backup'] as const).map((name) => ({
    name: `restore points on another machine: ${name}`,
    command: ['npx', '--no-install', 'tsx', `tests/ssh/${name}.test.ts`],
    seconds: 60,
  })),
  {
    name: 'restore points in a Ceph cluster',
    command: ['npx', '--no-install', 'tsx', 'tests/ceph/rbd.test.ts'],
    seconds: 600,
  },
  {
    name: 'datto-backup into a Ceph cluster',
    command: ['npx', '--no-install', 'tsx', 'tests/ceph/backup.test.ts'],
    seconds: 200,
  },
  {
    name: 'restore points in an S3 bucket',
    command: ['npx', '--no-install', 'tsx', 'tests/ceph/s3.test.ts'],
    seconds: 120,
  },
  {
    name: 'datto-backup into repositories of restic and borg',
    command: ['npx', '--no-install', 'tsx', 'tests/chunks/backup.test.ts'],
    seconds: 200,
  },
  {
    name: 'restore points in repositories of restic and borg',
    command: ['npx', '--no-install', 'tsx', 'tests/chunks/points.test.ts'],
    seconds: 200,
  },
  {
    name: 'chunkview, restic and borg killed in the middle',
    command: ['npx', '--no-install', 'tsx', 'tests/chunks/kills.test.ts'],
    seconds: 500,
  },
  {
    name: 'the engine alone, in the kernel',
    command: ['npx', '--no-install', 'tsx', 'tests/vm/engine/run.ts'],
    seconds: 120,
  },
];

/** The packages in machines of their own. */
const ON_DEBIAN: readonly Check[] = ['bookworm', 'trixie'].map((suite) => ({
  name: `the packages on Debian ${suite}`,
  command: ['npx', '--no-install', 'tsx', 'tests/packages/run.ts', suite],
  seconds: 1500,
}));

/** The unit tests of what a host runs, on each version of Node that Debian has, and on a later one. */
const ON_NODE: readonly Check[] = ['18', '20', '22'].map((version) => ({
  name: `the tools on Node ${version}`,
  command: [...UNIT_TESTS, 'tests/cli', 'tests/host'],
  env: { TEST_NODE: version, LONG: 'yes' },
  seconds: 400,
}));

/** A command that hangs is ended after so many times its usual time. */
const PATIENCE = 10;
const LEAST_LIMIT_SECONDS = 120;

const asTask = (check: Check, root: string, after: readonly Task[]): Task => ({
  name: check.name,
  seconds: check.seconds,
  after,
  run: async () => {
    const limitSeconds = Math.max(LEAST_LIMIT_SECONDS, check.seconds * PATIENCE);
    const { status, output, seconds, overdue } = await runCommand(check.command, {
      cwd: root,
      env: { ...process.env, ...check.env },
      limitSeconds,
    });
    if (overdue === undefined && status === 0) return { passed: 1, failed: 0 };
    const ending = overdue === undefined ? `status ${status}` : `killed after ${seconds.toFixed(0)} s; ${overdue}`;
    return { passed: 0, failed: 1, why: `${ending}\n${output}` };
  },
});

/** What `npm test` checks besides running tests. @param build what must have been built before */
export const checkTasks = (root: string, build: Task): Task[] => CHECKS.map((check) => asTask(check, root, [build]));

/** What only `npm run test:all` runs. */
export const longTasks = (root: string, build: Task): Task[] =>
  [...LONG_FORMS, ...ON_NODE, ...ON_DEBIAN].map((form) => asTask(form, root, [build]));

/** The core and the tools, which nearly everything needs. */
export const buildTask = (root: string): Task => ({
  ...asTask({ name: 'build', command: ['npm', 'run', '-s', 'build'], seconds: 16 }, root, []),
  early: true,
});
