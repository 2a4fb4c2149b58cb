/** Pages of the manual as roff, for man(7). */
import type { Command, Option } from 'commander';
import type { Block, Section, ToolManual, TopicManual } from '../manual/manual.js';
import { commandsOf, hasOwnOperands, optionsOf, synopsisOf } from './tool-programs.js';

const VOLUMES = { 1: 'User Commands', 3: 'Library Functions', 5: 'File Formats', 8: 'System Administration' } as const;

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\e',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
};

const escapeRoff = (text: string): string => text.replace(/[\\'`^~]/g, (char) => SPECIAL[char] ?? char);

/** Text that is typed: its dashes are minus signs, so that it can be copied out of a terminal. */
const literal = (text: string): string => escapeRoff(text).replaceAll('-', '\\-');

const placeholder = (name: string): string => `\\fI${literal(name.replaceAll(' ', '-'))}\\fR`;

/** A line must not begin with what roff takes for a request. */
const guarded = (line: string): string => (/^[.']/.test(line) ? `\\&${line}` : line);

/** Text of one font with <placeholders> in it, which keep their brackets: they may touch what is around them. */
const withPlaceholders = (text: string, font: 'B' | 'R', escaped: (text: string) => string): string =>
  text
    .split(/(<[a-z][^<>]*>)/)
    .map((part, at) => (at % 2 === 1 ? `\\fI${literal(part)}\\f${font}` : escaped(part)))
    .join('');

/** A text with `code` and <placeholders>; each of its sentences begins a line. */
const inline = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`') && part.length > 1
        ? `\\fB${withPlaceholders(part.slice(1, -1), 'B', literal)}\\fR`
        : withPlaceholders(part, 'R', escapeRoff).replace(/([.:;]) (?=\S)/g, '$1\n'),
    )
    .join('')
    .split('\n')
    .map(guarded)
    .join('\n');

/** A command line's pattern: what is typed is bold, <placeholders> and [names...] are not. */
const pattern = (text: string): string =>
  text.replace(/<([^>]+)>|\[([a-z][^\]<]*?)(\.\.\.)?\]|-[^\s,\]=<]*|[^-<[]+|./g, (whole, name, optional, more) => {
    if (name !== undefined) return placeholder(String(name));
    if (optional !== undefined) return `[${placeholder(String(optional))}${more === undefined ? '' : ' ...'}]`;
    return whole.startsWith('-') ? `\\fB${literal(whole)}\\fR` : literal(whole);
  });

const terms = (rows: ReadonlyArray<readonly [term: string, text: string]>): string[] =>
  rows.flatMap(([term, text]) => ['.TP', term, text]);

/** The last cell of a row is broken into lines as wide as there is room, others only if they are long. */
const cell = (text: string, at: number, row: readonly string[]): string =>
  at + 1 === row.length || text.length > 24 ? `T{\n${inline(text)}\nT}` : inline(text);

const table = (columns: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] => [
  '.TS',
  `${columns.map((_, at) => (at + 1 === columns.length ? 'lx' : 'l')).join(' ')}.`,
  columns.map((heading) => `\\fI${escapeRoff(heading)}\\fR`).join('\t'),
  ...rows.map((row) => row.map(cell).join('\t')),
  '.TE',
];

const block = (content: Block): string[] => {
  if (typeof content === 'string') return ['.PP', inline(content)];
  if ('heading' in content) return [`.SS ${inline(content.heading)}`];
  if ('terms' in content) return terms(content.terms.map(([term, text]) => [inline(term), inline(text)]));
  if ('example' in content)
    return ['.PP', '.RS 4', '.nf', ...content.example.map((line) => guarded(literal(line))), '.fi', '.RE'];
  return ['.PP', ...table(content.columns, content.rows)];
};

/** Blocks below a heading, which is a paragraph's beginning by itself. */
const body = (blocks: readonly Block[]): string[] => {
  const lines = blocks.flatMap(block).filter((line, at, all) => line !== '.PP' || !all[at - 1]?.startsWith('.SS '));
  return lines[0] === '.PP' ? lines.slice(1) : lines;
};

const section = ({ title, blocks }: Section): string[] => [`.SH ${title}`, ...body(blocks)];

const optionTerm = (option: Option): [string, string] => {
  const choices = option.argChoices ? `: ${option.argChoices.join(', ')}` : '';
  const value = String(option.defaultValue ?? '');
  const preset = value === '' || option.isBoolean() ? '' : ` (default: ${value})`;
  return [pattern(option.flags), inline(`${option.description}${choices}${preset}`)];
};

const isBuiltIn = ({ long }: Option): boolean => long === '--help' || long === '--version';

const argumentTerms = (command: Command): string[] =>
  terms(
    command.registeredArguments
      .filter(({ description }) => description !== '')
      .map((argument) => [placeholder(argument.name()), inline(argument.description)]),
  );

/** Options that several sub-commands share are described once for all, each with the sub-commands that take it. */
const SHARED_BY = 3;

const identity = ({ flags, description }: Option): string => `${flags}\n${description}`;

const takersOf = (option: Option, subs: readonly Command[]): Command[] =>
  subs.filter((sub) => optionsOf(sub).some((other) => identity(other) === identity(option)));

const sharedOptions = (subs: readonly Command[]): string[] => {
  const options = new Map(
    subs
      .flatMap((sub) => optionsOf(sub).filter((option) => !isBuiltIn(option)))
      .map((option) => [identity(option), option]),
  );
  const rows = [...options.values()].flatMap((option): Array<[string, string]> => {
    const takers = takersOf(option, subs);
    if (takers.length < SHARED_BY) return [];
    const names =
      takers.length === subs.length ? 'every sub-command' : takers.map((sub) => `\`${sub.name()}\``).join(', ');
    const [term, text] = optionTerm(option);
    return [[term, `${text}.\n${inline(`With ${names}.`)}`]];
  });
  return terms(rows);
};

/** A sub-command of some: how it is called, what it does, what it takes. */
const subCommand = (command: Command, blocks: readonly Block[], subs: readonly Command[]): string[] => {
  const own = optionsOf(command).filter((option) => !isBuiltIn(option) && takersOf(option, subs).length < SHARED_BY);
  return [
    `.SS \\fB${literal(command.name())}\\fR ${pattern(synopsisOf(command))}`.trimEnd(),
    inline(sentence(command.description())),
    ...blocks.flatMap(block),
    ...argumentTerms(command),
    ...terms(own.map(optionTerm)),
  ];
};

/** A description of commander's, which begins in lower case and ends without a full stop. */
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;

const summary = (text: string): string => `${text.charAt(0).toLowerCase()}${text.slice(1)}`.replace(/\.$/, '');

/** Every way to call a tool; commander shows them with its name, but for the first. */
const synopsis = (program: Command): string[] => {
  const name = program.name();
  const way = (words: string, rest: string): string[] =>
    [`.SY "${literal(words)}"`, pattern(rest), '.YS'].filter(Boolean);
  const ways = (command: Command, words: string): string[] =>
    synopsisOf(command)
      .split('\n')
      .flatMap((line) => way(words, line.trim().replace(`${words} `, '')));
  const subs = commandsOf(program);
  const own = subs.length === 0 || hasOwnOperands(program) ? ways(program, name) : [];
  return [...own, ...subs.flatMap((sub) => ways(sub, `${name} ${sub.name()}`))];
};

const page = (name: string, about: string, level: ToolManual['section'], lines: readonly string[]): string =>
  `${[
    '\'\\" t',
    '.\\" Generated by "npm run manual". Do not edit.',
    `.TH ${name.toUpperCase()} ${level} "" dattobd "${VOLUMES[level]}"`,
    '.SH NAME',
    `${literal(name)} \\- ${inline(about)}`,
    ...lines,
  ].join('\n')}\n`;

const seeAlso = (pages: readonly string[]): string[] => {
  if (pages.length === 0) return [];
  const references = pages.map((text) =>
    text.replace(/^(.*)(\(\d\))$/, (_, name: string, level: string) => `\\fB${literal(name)}\\fR${level}`),
  );
  return ['.SH SEE ALSO', references.join(', ')];
};

/** A tool's page. */
export const toolPage = (program: Command, manual: ToolManual): string => {
  const subs = commandsOf(program);
  return page(program.name(), summary(program.description()), manual.section, [
    '.SH SYNOPSIS',
    ...synopsis(program),
    '.SH DESCRIPTION',
    inline(sentence(program.description())),
    ...manual.description.flatMap(block),
    ...argumentTerms(program),
    ...(subs.length > 0 ? ['.SH COMMANDS'] : []),
    ...subs.flatMap((sub) => subCommand(sub, manual.commands?.[sub.name()] ?? [], subs)),
    '.SH OPTIONS',
    ...sharedOptions(subs),
    ...terms(optionsOf(program).map(optionTerm)),
    '.SH EXIT STATUS',
    ...table(['status', 'meaning'], manual.exits),
    ...manual.sections.flatMap(section),
    ...seeAlso(manual.seeAlso),
  ]);
};

/** A page about something that is no tool. */
export const topicPage = (manual: TopicManual): string =>
  page(manual.name, manual.summary, manual.section, [
    ...(manual.synopsis
      ? ['.SH SYNOPSIS', '.nf', ...manual.synopsis.map((line) => guarded(literal(line))), '.fi']
      : []),
    '.SH DESCRIPTION',
    ...body(manual.description),
    ...manual.sections.flatMap(section),
    ...seeAlso(manual.seeAlso),
  ]);
