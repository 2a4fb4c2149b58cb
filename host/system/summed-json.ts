/** Small records as JSON text with a sum: the field `sum` is the SHA-256 of all the others. */
import { createHash } from 'node:crypto';

type Fields = Readonly<Record<string, unknown>>;

const digits = (_key: string, field: unknown): unknown => (typeof field === 'bigint' ? `${field}` : field);

/** Text of fields in their order; 64-bit integers are strings of digits. */
const textOf = (fields: Fields): string => JSON.stringify(fields, digits, 2);

const sumOf = (fields: Fields): string => createHash('sha256').update(textOf(fields)).digest('hex');

export const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** A whole number that a JavaScript number holds, from 0 on. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** The text of a record of some format and version. */
export const toSummedJson = (format: string, version: number, fields: Fields): string => {
  const all = { format, version, ...fields };
  return `${textOf({ ...all, sum: sumOf(all) })}\n`;
};

/**
 * The fields of such a text. Older versions wrote no sum.
 *
 * @throws SyntaxError
 */
export const fromSummedJson = (format: string, version: number, text: string): Fields => {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value) || value.format !== format || value.version !== version) {
    throw new SyntaxError(`no ${format} of version ${version}`);
  }
  const { sum, ...fields } = value;
  if (sum !== undefined && sum !== sumOf(fields)) throw new SyntaxError('its sum does not fit');
  return fields;
};
