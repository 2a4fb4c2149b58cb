/** Untrusted text, shown without effect on the terminal: no lines, colours or directions of its own. */
import { textOfBytes } from '../../host/inspect/owners/owner-names.js';

/** Characters that a terminal obeys or does not show: controls, formats, lone surrogates, ends of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const hex = (code: number): string => code.toString(16).padStart(2, '0');

const escaped = (sign: string): string => {
  const code = sign.codePointAt(0) ?? 0;
  return code < 0x80 ? `\\x${hex(code)}` : `\\u{${hex(code)}}`;
};

/** One line of text; backslashes stay as they are. */
export const oneLine = (text: string): string => text.replace(UNSEEN, escaped);

/** Text on one line; different inputs give different lines. */
export const printable = (text: string): string => oneLine(text.replaceAll('\\', '\\\\'));

/** The same for bytes; those that are not UTF-8 are shown one by one. */
export const printableBytes = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const ends = [at + 1, at + 2, at + 3, at + 4].filter((end) => end <= bytes.length);
    const end = ends.find((candidate) => textOfBytes(bytes.subarray(at, candidate)) !== undefined);
    text += end === undefined ? `\\x${hex(bytes[at] ?? 0)}` : printable(textOfBytes(bytes.subarray(at, end)) ?? '');
    at = end ?? at + 1;
  }
  return text;
};
