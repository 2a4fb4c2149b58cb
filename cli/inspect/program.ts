/** The command line of datto-inspect: sub-commands, arguments and options, and the function of each. */
import { Command, Option } from 'commander';
import { largeCount, order, rate, size } from '../terminal/options.js';
import type { Streams } from '../terminal/terminal.js';
import type { Voice } from '../terminal/verbosity.js';
import { addVerbosity, voiceOf } from '../terminal/verbosity.js';
import { PACKAGE_VERSION } from '../terminal/version.js';
import { runFiles, runMap } from './images.js';
import { runBlocks, runCheck, runDiff, runInfo, runStat } from './lists.js';
import { runReport } from './report/command.js';

/** Takes the exit status of a run that threw no error. */
export type SetStatus = (status: number) => void;

const COW = ['<cow file>', 'a .datto file'] as const;
const JSON_DOC = 'print JSON on standard output';

const add = (program: Command, name: string, doc: string): Command =>
  addVerbosity(
    program.command(name).description(doc).helpOption('-h, --help', 'display help').option('--json', JSON_DOC),
  );

const IMAGE_DOC = "an image as large as the origin, or the origin itself: for the origin's size";

const addSize = (command: Command, imageDoc = IMAGE_DOC): Command =>
  command
    .addOption(
      new Option('--blocks <count>', "the origin's size in blocks of 4096 bytes")
        .argParser(largeCount)
        .conflicts(['originSize', 'image']),
    )
    .addOption(
      new Option('--origin-size <bytes>', "the origin's size; K, M, G and T stand for KiB to TiB")
        .argParser(size)
        .conflicts(['blocks', 'image']),
    )
    .option('--image <file>', imageDoc);

const addList = (command: Command, imageDoc = IMAGE_DOC): Command =>
  addSize(command, imageDoc).option(
    '--allow-unclean',
    'list a file even if it was not closed cleanly and may miss changes',
  );

const addForce = (command: Command): Command => command.option('-f, --force', 'replace a file that exists');

const addLists = (program: Command, streams: Streams, setStatus: SetStatus): void => {
  addSize(add(program, 'info', 'show the header field by field, and whether update-img may use the file'))
    .argument(...COW)
    .action((path, options) => runInfo(path, options, streams));
  addSize(add(program, 'check', 'check every rule of the format; exit status 3 if one is broken'))
    .argument(...COW)
    .addOption(new Option('--limit <count>', 'violations to show').argParser(largeCount).default(100))
    .action((path, options) => setStatus(runCheck(path, options, streams)));
  addForce(addList(add(program, 'blocks', 'list the blocks that changed, as runs')))
    .argument(...COW)
    .option(
      '--bmap <file>',
      "write a block map for bmaptool instead; with the new image's checksums if there is --image",
    )
    .action((path, options) => runBlocks(path, options, streams));
  addList(add(program, 'diff', 'compare which blocks two files list'))
    .argument('<a>', 'a .datto file')
    .argument('<b>', 'another one of the same origin')
    .option('--runs', 'show each run too')
    .action((a, b, options) => runDiff(a, b, options, streams));
  addList(add(program, 'stat', 'show how much changed, the lengths of the runs, and the estimated time of an update'))
    .argument(...COW)
    .addOption(
      new Option('--rate <size>', 'rate of your disks in MiB per second, or as 500K, for the estimate').argParser(rate),
    )
    .action((path, options) => runStat(path, options, streams));
};

const addImages = (program: Command, streams: Streams): void => {
  addForce(addList(add(program, 'map', "draw what changed along Hilbert's curve, in the terminal or as a picture")))
    .argument(...COW)
    .option('--png <file>', 'write a PNG picture, with a title, scales and a legend')
    .option('--svg <file>', 'write the same as SVG')
    .addOption(new Option('--order <n>', 'a side of 2^n cells').argParser(order))
    .addOption(
      new Option('--color <when>', 'colours in the terminal; NO_COLOR turns them off, too')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .action((path, options) => runMap(path, options, streams));
  addList(add(program, 'files', 'list the files of an ext4 or xfs image that the changed blocks belong to'))
    .argument(...COW)
    .argument('<image file>', 'image whose files are looked up')
    .action((path, image, options) => runFiles(path, image, options, streams));
  const page = add(program, 'report', 'write a page of HTML about COW files of a series: where, which files, how much');
  addForce(addList(page, `${IMAGE_DOC}, and for the names of its files`))
    .argument('<cow files...>', '.datto files of one series')
    .usage('[options] --output <file> <cow files...>')
    .requiredOption('-o, --output <file>', 'page to write')
    .option('--verification <file>', "an image's state file, or the JSON of datto-verify or datto-backup, to be shown")
    .action((paths, options) => runReport(paths, options, streams));
};

/**
 * The command line: sub-commands, arguments and options.
 *
 * @param setStatus takes the exit status where it is not 0
 */
export const inspectProgram = (streams: Streams, setStatus: SetStatus = () => undefined): Command => {
  let voice: Voice | undefined;
  const program = new Command('datto-inspect')
    .description('Look into .datto COW files: on any machine, without privileges, without the driver.')
    .version(PACKAGE_VERSION, '-V, --version', 'print version')
    .helpOption('-h, --help', 'display help')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText(
      'after',
      '\nExit status: 0, 1 for an error, 2 for a wrong command line, 3 if check found violations.' +
        "\n'datto-inspect <sub-command> --help' shows the arguments and options of a sub-command.",
    )
    .hook('preAction', (_program, command) => {
      voice = voiceOf('datto-inspect', command.opts(), streams);
      voice.detail(`${command.name()} of ${command.args.join(' and ')}`);
    })
    .hook('postAction', (_program, command) => voice?.detail(`${command.name()} is complete`))
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: () => undefined });
  addLists(program, streams, setStatus);
  addImages(program, streams);
  return program;
};
