/**
 * The syntax of a configuration file: lines `key = value`, and comments.
 *
 * The value is the rest of the line, without quotes, escapes, sections or continued lines: nothing in it can mean something
 * else, and a generator of systemd reads the same file with sed.
 */

/** What is wrong with a file, in words: what is, what was expected, a hint. */
export interface Finding {
  /** From 1 on; undefined if it is about the file as a whole. */
  readonly line?: number;
  readonly text: string;
}

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** What is wrong with a line, if anything. */
const flawOf = (text: string): string | undefined => {
  if (text.includes('\r')) return "it ends with CR LF, expected LF; hint: sed -i 's/\\r$//' on the file";
  if (/[^\P{Cc}\t]/u.test(text)) return 'it has a control character, expected plain text';
  if (text.includes('\ufffd')) return 'it is not valid UTF-8, expected text that is';
  const line = text.trim();
  if (/^\[.*\]$/.test(line)) return 'it has a section, expected key = value; hint: there are no sections';
  if (!line.includes('=')) return 'it has no =, expected key = value; hint: a comment begins with #';
  const [, key = '', value = ''] = /^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
  if (!/^[a-z-]+$/.test(key))
    return `it has the key '${key}', expected lower-case letters and dashes, as in keep-previous`;
  if (value === '') return `'${key}' has no value, expected one; hint: leave the line out for the default`;
  if (/^["']|["']$/.test(value)) return `the value of '${key}' has quotes, expected none, even around spaces`;
  if (/\s#/.test(value)) return `the value of '${key}' has a #, expected a comment on a line of its own`;
  return undefined;
};

/** Reads the lines of a file. Each of them is an entry, a comment, empty, or gives a finding. */
export const readLines = (text: string): { entries: Entry[]; findings: Finding[] } => {
  const entries: Entry[] = [];
  const findings: Finding[] = [];
  text.split('\n').forEach((content, index) => {
    const line = index + 1;
    const trimmed = content.trim();
    const isLast = trimmed === '' && !content.includes('\r');
    if (isLast || (trimmed.startsWith('#') && !content.includes('\r'))) return;
    const flaw = flawOf(content);
    const at = trimmed.indexOf('=');
    if (flaw !== undefined) findings.push({ line, text: flaw });
    else entries.push({ key: trimmed.slice(0, at).trim(), value: trimmed.slice(at + 1).trim(), line });
  });
  return { entries, findings };
};
