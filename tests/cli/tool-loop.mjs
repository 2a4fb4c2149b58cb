/**
 * Runs tools, as they are shipped, again and again in one process, where a process of each run's own is not the point: to start
 * Node takes ten times as long as what most runs do, and a second where CPUs are emulated.
 *
 *   node tool-loop.mjs QUESTIONS ANSWERS
 *
 * QUESTIONS is a FIFO. Of each run it brings, each with a NUL at its end: the paths of what is to be standard output and standard
 * error, the folder to run in, how many variables are added to the environment and these, how many words are in the command line
 * and these, the program's path first. ANSWERS is a FIFO: it takes a line "ready", and then of each run its exit status.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [STDOUT, STDERR] = [1, 2];
const [questions, answers] = process.argv.slice(2);
// Open for both: it never ends.
const asked = openSync(questions, 'r+');
const answered = openSync(answers, 'r+');

/** What was read and not used yet. */
let rest = Buffer.alloc(0);
function nextWord() {
  for (;;) {
    const end = rest.indexOf(0);
    if (end >= 0) {
      const word = rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
      return word;
    }
    const more = Buffer.alloc(65536);
    rest = Buffer.concat([rest, more.subarray(0, readSync(asked, more))]);
  }
}
const nextWords = () => Array.from({ length: Number(nextWord()) }, nextWord);

/** Puts a file under a number that a program knows it by; the lowest free one is taken. */
function replace(fd, path) {
  closeSync(fd);
  const got = openSync(path, 'a');
  if (got !== fd) throw new Error(`${path} is open as ${got}, expected ${fd}`);
}

/** As Node ends a program that throws. */
const UNCAUGHT = 1;

async function run(program, number) {
  process.exitCode = undefined;
  try {
    // A new name for each run, so that Node evaluates the module again.
    await import(`${pathToFileURL(program)}?run=${number}`);
    return process.exitCode ?? 0;
  } catch (error) {
    writeSync(STDERR, `${error?.stack ?? error}\n`);
    return UNCAUGHT;
  }
}

writeSync(answered, 'ready\n');
for (let number = 1; ; number++) {
  const [output, errors] = [nextWord(), nextWord()];
  process.chdir(nextWord());
  const variables = nextWords().map((word) => word.split(/=(.*)/s));
  const words = nextWords();
  for (const [name, value] of variables) process.env[name] = value;
  replace(STDOUT, output);
  replace(STDERR, errors);
  process.argv = [process.execPath, ...words];
  const status = await run(words[0], number);
  for (const fd of [STDOUT, STDERR]) replace(fd, '/dev/null');
  for (const [name] of variables) delete process.env[name];
  process.chdir('/');
  writeSync(answered, `${status}\n`);
}
