/** Writes the manual and the completions of the tools: docs/man/ and docs/completion/. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manual as datto } from '../manual/datto.js';
import { manual as libdattobd } from '../manual/libdattobd.js';
import type { ToolManual, TopicManual } from '../manual/manual.js';
import { tools } from './build-cli.js';
import { bashCompletion, zshCompletion } from './generate-manual.completion.js';
import { toolPage, topicPage } from './generate-manual.roff.js';
import { toolProgram } from './tool-programs.js';

const root = fileURLToPath(new URL('../', import.meta.url));

/** What the page of a tool says beyond its definitions. */
export const toolManual = async (tool: string): Promise<ToolManual> => {
  const { manual } = (await import(`../manual/${tool}.js`)) as { manual: ToolManual };
  return manual;
};

/** Pages about what is no tool. */
export const topics: readonly TopicManual[] = [datto, libdattobd];

/** The generated files: path from the project's root, and text. */
export const generated = async (): Promise<ReadonlyArray<readonly [path: string, text: string]>> => {
  const files = topics.map((topic): [string, string] => [`docs/man/${topic.name}.${topic.section}`, topicPage(topic)]);
  for (const tool of tools) {
    const program = await toolProgram(tool);
    const manual = await toolManual(tool);
    files.push(
      [`docs/man/${tool}.${manual.section}`, toolPage(program, manual)],
      [`docs/completion/bash/${tool}`, bashCompletion(program)],
      [`docs/completion/zsh/_${tool}`, zshCompletion(program)],
    );
  }
  return files;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await generated()) {
    const target = join(root, path);
    if (existsSync(target) && readFileSync(target, 'utf8') === text) continue;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(`wrote ${path}`);
  }
}
