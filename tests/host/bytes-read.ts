/** What a test costs, in other units than time. */
import { readFileSync } from 'node:fs';

/** Bytes that this process asks the kernel to read while it runs something: see rchar in proc_pid_io(5). */
export function bytesRead(run: () => void): number {
  const read = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  const before = read();
  run();
  return read() - before;
}
