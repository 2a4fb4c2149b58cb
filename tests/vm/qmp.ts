/** Commands to a running QEMU, in its machine protocol: a line of JSON each way. */

import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** The connection. It ends with the process; what waits for an answer then is rejected. */
export class Qmp {
  readonly #stream: Duplex;
  /** each takes the next answer, in order */
  readonly #waiting: { readonly resolve: (value: unknown) => void; readonly reject: (why: Error) => void }[] = [];
  #ended = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    createInterface({ input: stream })
      .on('line', (line) => this.#takeLine(line))
      // It passes on those of its input, beside the input itself.
      .on('error', () => this.#end());
    stream.on('error', () => this.#end());
    stream.on('close', () => this.#end());
  }

  /**
   * Runs a command.
   *
   * @returns its answer
   * @throws Error if QEMU refuses it, or is gone
   */
  async execute(command: string, options: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#ended) throw new Error(`Cannot run ${command}: QEMU has ended`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#stream.write(`${JSON.stringify({ execute: command, arguments: options })}\n`);
    });
  }

  /** The last line of a process that was killed may be a part of one. */
  #takeLine(line: string): void {
    let reply: Reply;
    try {
      reply = JSON.parse(line) as Reply;
    } catch {
      return this.#end();
    }
    this.#take(reply);
  }

  #take(reply: Reply): void {
    // The rest are events, which nobody waits for.
    if (reply.error) this.#waiting.shift()?.reject(new Error(reply.error.desc));
    else if ('return' in reply) this.#waiting.shift()?.resolve(reply.return);
  }

  #end(): void {
    this.#ended = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('QEMU has ended'));
  }
}
