/** datto(5): the format of a COW file. Fields, flags and sizes come from the table of layouts. */
import {
  BLOCK_BYTES,
  COW_FLAGS,
  COW_HEADER_SIZE,
  COW_MAGIC,
  ENTRY_BYTES,
  HEADER_BYTES,
  HEADER_FIELDS,
  LIVE_FIELDS,
  NEXT_FILE_FIELDS,
  NEXT_FILE_MAGIC,
  RECORD_FIELDS,
  RECORD_MAGIC,
  RECORD_VERSION,
  RECORD_VERSION_LIVE,
  SECTION_BYTES,
  SECTION_ENTRIES,
} from '../host/layout.js';
import type { TopicManual } from './manual.js';

const hex = (value: number): string => `0x${value.toString(16)}`;

const typeOf = (bytes: number): string => (bytes === 4 || bytes === 8 ? `u${bytes * 8}` : `${bytes} bytes`);

const magicBytes = [COW_MAGIC & 0xff, COW_MAGIC >> 8, 0, 0].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

export const manual: TopicManual = {
  name: 'datto',
  summary: 'COW file of a snapshot or an incremental',
  section: 5,
  description: [
    'A COW file is on the filesystem of the block device that it belongs to. Only the driver writes it. In ' +
      'snapshot mode it keeps the old content of the blocks that changed; in incremental mode it lists which blocks ' +
      'changed since the snapshot. While it is live its content is not complete on disk: only a file whose CLEAN ' +
      'flag is set may be trusted.',
    `All integers are little-endian. A block is ${BLOCK_BYTES} bytes. N is the size of the block device in sectors ` +
      `of 512 bytes, ` +
      'B is N / 8 rounded down.',
    {
      columns: ['offset', 'bytes', 'what'],
      rows: [
        ['0', `${COW_HEADER_SIZE}`, 'header'],
        [`${COW_HEADER_SIZE}`, `S x ${SECTION_BYTES}`, `index of S = B / ${SECTION_ENTRIES} (rounded up) sections`],
        [`${COW_HEADER_SIZE} + S x ${SECTION_BYTES}`, 'to the end', 'data; only in snapshot mode'],
      ],
    },
  ],
  sections: [
    {
      title: 'HEADER',
      blocks: [
        {
          columns: ['offset', 'type', 'field', 'meaning'],
          rows: HEADER_FIELDS.map(({ name, offset, bytes, doc }) => [hex(offset), typeOf(bytes), `\`${name}\``, doc]),
        },
        `COW_MAGIC is ${COW_MAGIC}, the bytes ${magicBytes}. The bytes from ${HEADER_BYTES} to the end of the ` +
          `header are a checkpoint or the name of the next file (see below), or zero. ` +
          'A position is in blocks, from the start of the file. In a file of version 0 the number of changed blocks ' +
          'is not kept.',
        'The flags:',
        {
          columns: ['mask', 'flag', 'meaning'],
          rows: COW_FLAGS.map(({ name, value, doc }) => [hex(value), name, doc]),
        },
        'In a live file the header is as it was when the file was created or reloaded, or when its last checkpoint' +
          ' was written: CLEAN is not set, and counter, size and INDEX_ONLY may be out of date.',
      ],
    },
    {
      title: 'CLEAN RECORD',
      blocks: [
        'While the block device is tracked and not written to (it is unmounted, the module is unloaded, the machine ' +
          'is down), the header block holds a checkpoint behind the header. With it `dbdctl reload-snapshot` and ' +
          '`reload-incremental` resume tracking. The first write to the block device removes it. CLEAN is not set: such ' +
          'a file is no list of changes.',
        {
          columns: ['offset', 'type', 'field', 'meaning'],
          rows: RECORD_FIELDS.map(({ name, offset, bytes, doc }) => [hex(offset), typeOf(bytes), `\`${name}\``, doc]),
        },
        `RECORD_MAGIC is ${RECORD_MAGIC}, the text DATTOREC; RECORD_VERSION is ${RECORD_VERSION}. The rest of the header block is zero.`,
        `While the block device is written to, the checkpoint may be a live one, of version ${RECORD_VERSION_LIVE}: with ` +
          'it `dbdctl reload-incremental` resumes tracking after a power cut, as does `reload-snapshot`, without the snapshot. Its fields ' +
          'behind `checksum` are others:',
        {
          columns: ['offset', 'type', 'field', 'meaning'],
          rows: LIVE_FIELDS.map(({ name, offset, bytes, doc }) => [hex(offset), typeOf(bytes), `\`${name}\``, doc]),
        },
        'All that follows the header block of a file in use is written past the filesystem, which may show zeros in its ' +
          'place. Only the driver reads it.',
      ],
    },
    {
      title: 'INDEX',
      blocks: [
        `One u64 for each block of the block device, in their order: entry k is at offset ${COW_HEADER_SIZE} + ` +
          `${ENTRY_BYTES} x k. ` +
          'If N is not a multiple of 8 the last, partial block is entry B, where the last section has room for it. ' +
          'Sections that no change has touched are not written and read as zeros.',
        {
          columns: ['entry', 'snapshot mode', 'incremental mode'],
          rows: [
            ['0', 'unchanged: read the block device', 'unchanged since the snapshot'],
            ['1', 'never', 'changed'],
            ['larger', 'position of the old content', 'changed, while the file was in snapshot mode'],
          ],
        },
        'A reader of a file of incremental mode takes every entry that is not zero for a changed block.',
      ],
    },
    {
      title: 'NEXT FILE',
      blocks: [
        'A file that was closed, or was about to be, names the COW file with which tracking went on. A reload that is asked for such a file goes on with ' +
          'the next one: a boot script may be older than the last transition.',
        {
          columns: ['offset', 'type', 'field', 'meaning'],
          rows: NEXT_FILE_FIELDS.map(({ name, offset, bytes, doc }) => [
            hex(offset),
            typeOf(bytes),
            `\`${name}\``,
            doc,
          ]),
        },
        `NEXT_FILE_MAGIC is ${NEXT_FILE_MAGIC}, the text DATTONXT.`,
      ],
    },
    {
      title: 'DATA',
      blocks: [
        'Old content, one block after the other in the order in which it was saved. The first position is ' +
          `1 + ${SECTION_BYTES / BLOCK_BYTES} x S, so that neither 0 nor 1 is ever one. \`fpos\` is the position ` +
          `that follows the last. ` +
          'When a file changes to incremental mode its data is cut off, and `fpos` stays as it is.',
      ],
    },
    {
      title: 'SERIES',
      blocks: [
        'Snapshots of a series have the same `uuid`, and each a `seqid` that is greater by one than that of the ' +
          'previous snapshot. The COW file that the snapshot with number i left behind in incremental mode leads from ' +
          'the image of snapshot i to that of snapshot i + 1.',
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'The number of the snapshot in its series, and the entries of the first eight blocks:',
        {
          example: [
            'od -A d -t u8 -j 24 -N 8 /data/.datto0',
            `od -A d -t u8 -j ${COW_HEADER_SIZE} -N 64 /data/.datto0`,
          ],
        },
        'All of the header in words, whether a program may use the file, and whether it breaks a rule of this page:',
        { example: ['datto-inspect info /data/.datto0', 'datto-inspect check /data/.datto0'] },
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'update-img(8)', 'datto-inspect(1)'],
};
