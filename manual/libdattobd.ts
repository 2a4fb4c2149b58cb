/** libdattobd(3): functions and what they do are read from the header, which is where they are described. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TopicManual } from './manual.js';

const header = readFileSync(fileURLToPath(new URL('../libdattobd/libdattobd.h', import.meta.url)), 'utf8');

interface CFunction {
  readonly prototype: string;
  readonly name: string;
  /** Paragraphs. */
  readonly text: readonly string[];
}

const paragraphs = (comment: string): string[] =>
  comment
    .split('\n')
    .map((line) => line.replace(/^[ \t]*\*?[ \t]?/, '').trimEnd())
    .join('\n')
    .split('\n\n')
    .map((text) => text.trim())
    .filter((text) => text !== '');

/** Each comment with the declaration that follows it. */
const functions: readonly CFunction[] = [
  ...header.matchAll(/\/\*((?:(?!\*\/)[\s\S])*)\*\/\n(int (dattobd_\w+)\([^;]*\);)/g),
].map(([, comment = '', prototype = '', name = '']) => ({
  ...{ prototype: prototype.replace(/\s+/g, ' '), name },
  text: paragraphs(comment),
}));

/** A declaration in lines that a page has room for. */
const lines = (prototype: string): string[] => {
  const [head = '', rest = ''] = prototype.split(/(?<=\()/);
  const wrapped = [head];
  rest.split(/(?<=,) /).forEach((parameter, at) => {
    const last = wrapped.at(-1) as string;
    const joined = `${last}${at === 0 ? '' : ' '}${parameter}`;
    if (joined.length <= 66) wrapped[wrapped.length - 1] = joined;
    else wrapped.push(`    ${parameter}`);
  });
  return wrapped;
};

/** `name: what it is` of the header, one for each line that begins one. */
const isParameters = (text: string): boolean => /^[a-z_]+: /.test(text);
const parameters = (text: string): Array<readonly [string, string]> =>
  text.split(/\n(?=[a-z_]+: )/).map((line) => {
    const [, name = '', what = ''] = /^([a-z_]+): ([\s\S]*)$/.exec(line) ?? [];
    return [`<${name}>`, what] as const;
  });

const flow = (text: string): string =>
  text.replaceAll('\n', ' ').replaceAll('/dev/datto<minor>', '`/dev/datto<minor>`');

export const manual: TopicManual = {
  name: 'libdattobd',
  summary: 'the commands of the dattobd driver as functions',
  section: 3,
  synopsis: ['#include <libdattobd.h>', '', ...functions.flatMap(({ prototype }) => lines(prototype))],
  description: [
    'Each function opens `/dev/datto-ctl`, issues one ioctl and closes it again, so a process needs no state and threads ' +
      'need no lock. Compile with the flags of `pkg-config --cflags --libs libdattobd`. `dbdctl`(8) describes the ' +
      'commands.',
  ],
  sections: [
    {
      title: 'FUNCTIONS',
      blocks: functions.flatMap(({ name, text }) => [
        { heading: `${name}()` },
        ...text
          .flatMap((part) => part.split(/\n(?=The rest is)/))
          .map((part) =>
            isParameters(part)
              ? { terms: parameters(part).map(([term, what]) => [term, flow(what)] as const) }
              : flow(part),
          ),
      ]),
    },
    {
      title: 'RETURN VALUE',
      blocks: ['0, or -1 with `errno` set; `dattobd_get_free_minor`() returns the minor.'],
    },
    {
      title: 'ERRORS',
      blocks: [
        {
          terms: [
            ['`EACCES`', 'The process may not use the driver.'],
            ['`EBUSY`', 'The minor is taken, or `/dev/datto<minor>` is open.'],
            [
              '`EINVAL`',
              'The minor is out of range, a path is NULL, or the device has failed or is in a state that the command ' +
                'does not fit.',
            ],
            ['`ENOENT`', 'The driver is not loaded, or no device has this minor.'],
            ['`EOPNOTSUPP`', 'No COW file can be on this filesystem, or its COW file cannot grow.'],
          ],
        },
        'Other errors are those of the operation, such as `ENOSPC` or `EIO`; the kernel log has more.',
      ],
    },
    {
      title: 'EXAMPLES',
      blocks: [
        'A program that prints how many blocks changed on device 7:',
        {
          example: [
            '#include <libdattobd.h>',
            '#include <stdio.h>',
            '',
            'int main(void)',
            '{',
            '    struct dattobd_info info;',
            '',
            '    if (dattobd_info(7, &info)) {',
            '        perror("dattobd_info");',
            '        return 1;',
            '    }',
            '    printf("%llu\\n", info.nr_changed_blocks);',
            '    return 0;',
            '}',
          ],
        },
      ],
    },
  ],
  seeAlso: ['dbdctl(8)', 'datto(5)'],
};
