/** Whether a process that was noted in a file still runs, also after its number was given to another one. */
import { kernelText } from '../system/kernel-text.js';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Fields of proc_pid_stat(5) after the name, which may have spaces: the 22nd is the time of the start. */
const START_FIELD = 22 - 3;

const identity = (pid: number): string | undefined => {
  const start = kernelText(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ')[START_FIELD];
  return start === undefined ? undefined : `${kernelText(BOOT_ID)} ${pid} ${start}`;
};

/** This process, as no other is or will be called. */
export const thisProcess = (): string => identity(process.pid) ?? `${process.pid}`;

/** Whether a process runs, by what thisProcess() returned in it. */
export const isRunning = (process: string): boolean => {
  const [, pid = ''] = process.split(' ');
  return /^\d+$/.test(pid) && identity(Number(pid)) === process;
};
