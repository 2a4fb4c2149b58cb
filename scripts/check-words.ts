/** Checks that texts for users have the usual words. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { avoidedWords } from './words.js';

/** Documents, manual pages, and the programs whose strings are shown. */
const LOOKED_AT = /^[A-Z]+\.md$|^docs\/[^/]+\.md$|^docs\/man\/|^(?:cli|host)\/.*\.ts$|^manual\/[^/]+\.ts$/;
/** For developers. */
const OTHER_READERS = /^docs\/(?:ABI|COMMANDS|CORE|FORMAT|STATES|TESTING)\.md$/;

const list = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' });
const paths = list.split('\0').filter((path) => LOOKED_AT.test(path) && !OTHER_READERS.test(path));
const found = avoidedWords(new Map(paths.map((path) => [path, readFileSync(path, 'utf8')])));
for (const line of found) console.error(line);
process.exitCode = found.length > 0 ? 1 : 0;
