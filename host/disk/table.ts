/** Partition tables: read by sfdisk, and as the script from which it makes the same one. */
import { RefusalError } from '../errors.js';
import type { Program } from '../system/program.js';
import { runProgram } from '../system/program.js';
import { isCount, isRecord } from '../system/summed-json.js';

const SFDISK: Program = { name: 'sfdisk', package: 'fdisk' };

export interface TablePartition {
  /** From 1 on. */
  readonly number: number;
  /** In sectors. */
  readonly start: number;
  readonly sectors: number;
  /** A GUID in capital letters, or hex digits. */
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly attributes?: string;
  /** MBR: the partition that the machine starts from. */
  readonly isActive?: true;
}

export interface PartitionTable {
  readonly label: 'gpt' | 'dos';
  readonly id: string;
  readonly sectorBytes: number;
  /** GPT: the first sector that partitions may use. */
  readonly first?: number;
  readonly partitions: readonly TablePartition[];
}

/** MBR: partitions that hold others. */
const EXTENDED = new Set(['5', 'f', '85']);
/** GPT: its header and its 128 entries. */
const GPT_ENTRIES_BYTES = 16384;

const isText = (value: unknown, pattern: RegExp): value is string => typeof value === 'string' && pattern.test(value);

/** Fields that may be missing. */
const optionalOf = ({
  uuid,
  name,
  attributes,
  isActive,
}: Readonly<Record<string, unknown>>): Partial<TablePartition> => {
  if (uuid !== undefined && !isText(uuid, /^[0-9A-Fa-f-]{1,40}$/)) throw new SyntaxError('no UUID');
  if (name !== undefined && !isText(name, /^.{0,72}$/su)) throw new SyntaxError('no name');
  if (attributes !== undefined && !isText(attributes, /^[\w :,-]{0,200}$/)) throw new SyntaxError('no attributes');
  if (isActive !== undefined && typeof isActive !== 'boolean') throw new SyntaxError('no active partition');
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(name === undefined ? {} : { name }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(isActive === true ? { isActive } : {}),
  };
};

const partitionFrom = (value: unknown): TablePartition => {
  if (!isRecord(value)) throw new SyntaxError('no partition');
  const { number, start, sectors, type } = value;
  if (!isCount(number) || number < 1 || number > 256) throw new SyntaxError('no number of a partition');
  if (!isCount(start) || start < 1 || !isCount(sectors) || sectors < 1) throw new SyntaxError('no extent');
  if (!isText(type, /^[0-9A-Fa-f-]{1,36}$/)) throw new SyntaxError('no type of a partition');
  return { number, start, sectors, type, ...optionalOf(value) };
};

/** Whether a partition only holds others: it has no content of its own. */
export const isExtended = ({ label }: PartitionTable, { type }: TablePartition): boolean =>
  label === 'dos' && EXTENDED.has(type.toLowerCase());

const requireApart = (table: PartitionTable): void => {
  const whole = table.partitions.filter((partition) => !isExtended(table, partition));
  const inOrder = [...whole].sort((a, b) => a.start - b.start);
  const isWrong = inOrder.some(({ start }, at) => {
    const before = inOrder[at - 1];
    return before !== undefined && before.start + before.sectors > start;
  });
  if (isWrong) throw new SyntaxError('partitions overlap');
  if (new Set(table.partitions.map(({ number }) => number)).size < table.partitions.length)
    throw new SyntaxError('two partitions have the same number');
};

/** A table from the fields of a record. @throws SyntaxError */
export const tableFrom = (value: unknown): PartitionTable => {
  if (!isRecord(value)) throw new SyntaxError('no table');
  const { label, id, sectorBytes, first, partitions } = value;
  if (label !== 'gpt' && label !== 'dos') throw new SyntaxError('no kind of table');
  if (!isText(id, /^(0x)?[0-9A-Fa-f-]{1,36}$/)) throw new SyntaxError('no id of a table');
  if (sectorBytes !== 512 && sectorBytes !== 4096) throw new SyntaxError('no size of a sector');
  if (first !== undefined && !isCount(first)) throw new SyntaxError('no first sector');
  if (!Array.isArray(partitions)) throw new SyntaxError('no partitions');
  const common = { label, id, sectorBytes, partitions: partitions.map(partitionFrom) } as const;
  const table: PartitionTable = first === undefined ? common : { ...common, first };
  requireApart(table);
  return table;
};

/** The names that sfdisk has for the fields. */
const translated = (value: unknown): unknown => {
  const { partitiontable: table } = isRecord(value) ? value : {};
  if (!isRecord(table) || !Array.isArray(table.partitions)) return table;
  const { label, id, sectorsize, firstlba } = table;
  const partitions = table.partitions.map((one: unknown) => {
    if (!isRecord(one)) return one;
    const { node, size, attrs, bootable, ...rest } = one;
    const [digits] = /\d+$/.exec(String(node)) ?? [];
    return {
      ...rest,
      ...{ number: Number(digits), sectors: size },
      ...(attrs === undefined ? {} : { attributes: attrs }),
      ...(bootable === true ? { isActive: true } : {}),
    };
  });
  const first = label === 'gpt' && firstlba !== undefined ? { first: firstlba } : {};
  return { label, id, sectorBytes: sectorsize ?? 512, ...first, partitions };
};

/**
 * The partition table of a disk.
 *
 * @throws RefusalError VOLUME_KIND if it has none of GPT or MBR; PROGRAM_MISSING, PROGRAM_FAILED
 */
export const readTable = (disk: string): PartitionTable => {
  const text = runProgram(SFDISK, ['--json', '--', disk], '').toString('utf8');
  try {
    return tableFrom(translated(JSON.parse(text)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const message = `cannot record the partition table of ${disk}: ${error.message}, expected GPT or MBR`;
    throw new RefusalError('VOLUME_KIND', message);
  }
};

/** As sfdisk writes and reads a name. */
const quoted = (name: string): string =>
  `"${[...Buffer.from(name, 'utf8')]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[\w .()-]/.test(letter) ? letter : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('')}"`;

const lineOf = ({ number, start, sectors, type, uuid, name, attributes, isActive }: TablePartition): string =>
  [
    `${number} : start=${start}, size=${sectors}, type=${type}`,
    ...(uuid ? [`uuid=${uuid}`] : []),
    ...(name ? [`name=${quoted(name)}`] : []),
    ...(attributes ? [`attrs="${attributes}"`] : []),
    ...(isActive ? ['bootable'] : []),
  ].join(', ');

/** The script from which sfdisk makes a table, on a disk of any sufficient size. */
export const scriptOf = ({ label, id, first, partitions }: PartitionTable): string =>
  [
    ...[`label: ${label}`, `label-id: ${id}`, 'unit: sectors'],
    ...(first === undefined ? [] : [`first-lba: ${first}`]),
    ...['', ...partitions.map(lineOf), ''],
  ].join('\n');

/** Bytes that a disk must have for a table. */
export const bytesFor = ({ label, sectorBytes, partitions }: PartitionTable): number => {
  const end = Math.max(0, ...partitions.map(({ start, sectors }) => start + sectors)) * sectorBytes;
  return label === 'gpt' ? end + GPT_ENTRIES_BYTES + sectorBytes : end;
};

/** Whether two tables have the same partitions, in the same places, of the same types and with the same ids. */
export const isSameTable = (one: PartitionTable, other: PartitionTable): boolean => {
  const textFor = ({ label, id, partitions }: PartitionTable): string =>
    JSON.stringify([
      label,
      id.toLowerCase(),
      ...[...partitions]
        .sort((a, b) => a.number - b.number)
        .map(({ number, start, sectors, type, uuid = '', isActive = false }) => [
          number,
          start,
          sectors,
          `${type} ${uuid}`.toLowerCase(),
          isActive,
        ]),
    ]);
  return textFor(one) === textFor(other);
};

/** Who has the disk for itself asks for this: nothing else on it changes, and the kernel does not look at it yet. */
const QUIETLY = ['--quiet', '--no-reread', '--no-tell-kernel', '--wipe', 'never', '--wipe-partitions', 'never'];

/**
 * Makes sure that a disk can take a table. Nothing is written.
 *
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED
 */
export const checkTable = (disk: string, table: PartitionTable): void => {
  runProgram(SFDISK, [...QUIETLY, '--no-act', '--', disk], scriptOf(table));
};

/** Writes a table. @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED */
export const writeTable = (disk: string, table: PartitionTable): void => {
  runProgram(SFDISK, [...QUIETLY, '--', disk], scriptOf(table));
};
