/** What systemd knows of a configured backup: whether its schedule is one, and when it runs next. */
import { existsSync } from 'node:fs';
import { RefusalError, SystemError } from '../errors.js';
import type { Program } from '../system/program.js';
import { runProgram } from '../system/program.js';

/** Is there only where systemd is the init of the running system. */
const SYSTEMD = '/run/systemd/system';

const program = (name: string): Program => ({ name, package: 'systemd' });

/** Makes sure that systemd knows a schedule, where it is installed. Throws a RefusalError CONFIG_WRONG. */
export const requireCalendar = (path: string, schedule: string): void => {
  try {
    runProgram(program('systemd-analyze'), ['calendar', '--', schedule], '');
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code !== 'PROGRAM_FAILED') {
      // Without systemd, the schedule is somebody else's.
      if (error instanceof RefusalError || error instanceof SystemError) return;
      throw error;
    }
    const hint = `systemd-analyze calendar '${schedule}'`;
    const message = `cannot use ${path}: 'schedule' is '${schedule}', expected a calendar event of systemd.time(7); hint: ${hint}`;
    throw new RefusalError('CONFIG_WRONG', message);
  }
};

/** A timer as systemd shows it. */
export interface Timer {
  readonly isActive: boolean;
  readonly next?: Date;
  /** When it last started the service. */
  readonly last?: Date;
}

const timeOf = (text: string | undefined): Date | undefined => {
  const [, day, time] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(text ?? '') ?? [];
  return day === undefined ? undefined : new Date(`${day}T${time}Z`);
};

/** Reads the properties that `systemctl show` printed. */
export const parseTimer = (answer: string): Timer => {
  const values = new Map(answer.split('\n').map((line) => line.split(/=(.*)/s) as [string, string | undefined]));
  const [next, last] = ['NextElapseUSecRealtime', 'LastTriggerUSec'].map((key) => timeOf(values.get(key)));
  const isActive = values.get('ActiveState') === 'active';
  return { isActive, ...(next ? { next } : {}), ...(last ? { last } : {}) };
};

/**
 * The timer of a backup.
 *
 * @returns undefined if systemd does not run here, or gives no answer
 */
export const timerOf = (name: string): Timer | undefined => {
  if (!existsSync(SYSTEMD)) return undefined;
  const unit = `datto-backup@${name}.timer`;
  const properties = '--property=ActiveState,NextElapseUSecRealtime,LastTriggerUSec';
  try {
    const answer = runProgram(program('systemctl'), ['show', properties, '--', unit], '', undefined, { TZ: 'UTC' });
    return parseTimer(answer.toString('latin1'));
  } catch (error) {
    if (error instanceof RefusalError || error instanceof SystemError) return undefined;
    throw error;
  }
};
