/**
 * Runs dist/dbdctl.mjs, as it is shipped, again and again in one process, since Node takes long to start where CPUs are emulated.
 *
 *   node dbdctl-loop.mjs PROGRAM QUESTIONS ANSWERS
 *
 * QUESTIONS is a FIFO: of each run it brings, each with a NUL at its end, the paths of what is to be its standard output and its
 * standard error, the folder to run in, how many arguments follow, and these. ANSWERS is a FIFO that takes the run's exit status,
 * a line each.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [STDOUT, STDERR] = [1, 2];
const [program, questions, answers] = process.argv.slice(2);
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

/** Puts a file under a number that a program knows it by; the lowest free one is taken. */
function replace(fd, path) {
  closeSync(fd);
  const got = openSync(path, 'a');
  if (got !== fd) throw new Error(`${path} is open as ${got}, expected ${fd}`);
}

for (let run = 1; ; run++) {
  const [output, errors] = [nextWord(), nextWord()];
  process.chdir(nextWord());
  const words = Array.from({ length: Number(nextWord()) }, nextWord);
  replace(STDOUT, output);
  replace(STDERR, errors);
  process.argv = [process.execPath, program, ...words];
  process.exitCode = undefined;
  // Another name for the module: it is evaluated anew.
  await import(`${pathToFileURL(program)}?run=${run}`);
  const status = process.exitCode ?? 0;
  for (const fd of [STDOUT, STDERR]) replace(fd, '/dev/null');
  process.chdir('/');
  writeSync(answered, `${status}\n`);
}
