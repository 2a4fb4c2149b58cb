/** What a process and those that it started are doing. */

/** A line of `ps -eo pid,ppid,stat,wchan:32,args`. */
interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly waitsIn: string;
  readonly command: string;
}

/** The columns that doing() reads, for ps -eo. */
export const PS_COLUMNS = 'pid,ppid,stat,wchan:32,args';
const LONGEST_COMMAND = 160;

const parse = (ps: string): Process[] =>
  ps.split('\n').flatMap((line) => {
    const [, pid, parent, state, waitsIn, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined
      ? []
      : [{ pid: Number(pid), parent: Number(parent), state: state!, waitsIn: waitsIn!, command: command! }];
  });

/**
 * Says in one line what runs below a process: those of its descendants that wait for no other one.
 *
 * @param ps output of ps with PS_COLUMNS
 * @param isRoot whether a command line is that process
 */
export function doing(ps: string, isRoot: (command: string, pid: number) => boolean): string {
  const all = parse(ps);
  const below = new Set(all.filter(({ command, pid }) => isRoot(command, pid)).map(({ pid }) => pid));
  for (let before = 0; before < below.size; ) {
    before = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  const leaves = all.filter(({ pid }) => below.has(pid) && !all.some(({ parent }) => parent === pid));
  const texts = leaves.map(({ command, state, waitsIn }) => {
    const short = command.length > LONGEST_COMMAND ? `${command.slice(0, LONGEST_COMMAND)}...` : command;
    return `${short} (${state}${waitsIn === '-' ? '' : `, ${waitsIn}`})`;
  });
  return texts.length > 0 ? `running: ${texts.join('; ')}` : 'nothing was running';
}
