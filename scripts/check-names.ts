/** Checks that what comments and documents name is in the tree. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { missingNames } from './names.js';

/** Its texts name what is nowhere. */
const MADE_UP = 'tests/scripts/names.test.ts';
/** Those with comments, or documents. */
const LOOKED_AT = /\.(c|h|S|ts|mts|mjs|sh|md)$|Kbuild$|^boot\/|^tests\/vm\/guest\//;

const paths = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
const texts = new Map(
  paths.filter((path) => LOOKED_AT.test(path) && path !== MADE_UP).map((path) => [path, readFileSync(path, 'utf8')]),
);
const missing = missingNames(texts, paths);
for (const line of missing) console.error(line);
process.exitCode = missing.length > 0 ? 1 : 0;
