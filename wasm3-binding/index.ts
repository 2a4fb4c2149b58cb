// Loads wasm modules into wasm3, the interpreter that the kernel stub uses, built as it builds it.

import koffi from 'koffi';
import { buildLibrary } from './build.js';

/** Offsets in `struct shared` (binding.c), in 8-byte words. */
const RESULT = 0;
const ARGUMENTS = 1;
const MEMORY = 5;
const MEMORY_BYTES = 6;
const SHARED_BYTES = 56;

const ERROR_BYTES = 256;

/** The module trapped. Its memory may be in any state. */
export class Wasm3Trap extends Error {
  readonly code = 'WASM3_TRAP';
  /** What wasm3 says of it. */
  readonly trap: string;

  constructor(name: string, trap: string) {
    super(`Cannot finish ${name}: ${trap}`);
    this.name = 'Wasm3Trap';
    this.trap = trap;
  }
}

/** wasm3 refused the module. */
export class Wasm3LoadError extends Error {
  readonly code = 'WASM3_LOAD';

  constructor(reason: string) {
    super(`Cannot load the module: ${reason}`);
    this.name = 'Wasm3LoadError';
  }
}

interface Library {
  load(bytes: Uint8Array, nrBytes: number, error: Uint8Array): unknown;
  free(instance: unknown): void;
  find(instance: unknown, name: string, arity: Int32Array): unknown;
  call(instance: unknown, func: unknown): boolean;
  callRepeatedly(instance: unknown, func: unknown, repeat: number, step: bigint): boolean;
  trap(instance: unknown): string;
}

let loaded: Library | undefined;

function library(): Library {
  if (loaded) return loaded;
  const file = koffi.load(buildLibrary());
  loaded = {
    load: file.func('void *wasm3_load(const uint8_t *bytes, uint32_t nr_bytes, uint8_t *error)'),
    free: file.func('void wasm3_free(void *instance)'),
    find: file.func('void *wasm3_find(void *instance, const char *name, int32_t *arity)'),
    call: file.func('bool wasm3_call(void *instance, void *function)'),
    callRepeatedly: file.func(
      'bool wasm3_call_repeatedly(void *instance, void *function, uint32_t repeat, uint64_t step)',
    ),
    trap: file.func('const char *wasm3_trap(void *instance)'),
  };
  return loaded;
}

interface Export {
  readonly func: unknown;
  readonly arity: number;
}

/** A module in an interpreter of its own. */
export class Wasm3Instance {
  readonly #library = library();
  readonly #instance: unknown;
  readonly #shared: BigUint64Array;
  readonly #exports = new Map<string, Export>();
  #memory = new ArrayBuffer(0);
  #memoryAddress = 0n;

  /** Use instantiate(). */
  constructor(bytes: Uint8Array) {
    const error = new Uint8Array(ERROR_BYTES);
    this.#instance = this.#library.load(bytes, bytes.length, error);
    if (!this.#instance) throw new Wasm3LoadError(Buffer.from(error).toString().replace(/\0.*$/s, ''));
    this.#shared = new BigUint64Array(koffi.view(this.#instance, SHARED_BYTES));
  }

  /**
   * Calls an export.
   *
   * @param name its name
   * @param values its arguments, i64 each
   * @returns its result, signed
   * @throws Wasm3Trap if it traps; RangeError if there is no export of i64 with that name and number of arguments
   */
  call(name: string, ...values: readonly bigint[]): bigint {
    const { func } = this.#prepare(name, values);
    if (!this.#library.call(this.#instance, func)) throw new Wasm3Trap(name, this.#library.trap(this.#instance));
    return BigInt.asIntN(64, this.#shared[RESULT]!);
  }

  /**
   * Calls an export again and again, to measure what a call costs without the way from JavaScript and back.
   *
   * @param repeat number of calls
   * @param step what the first argument grows by from call to call
   * @param name its name
   * @param values its arguments in the first call
   * @throws as call()
   */
  callRepeatedly(repeat: number, step: bigint, name: string, ...values: readonly bigint[]): void {
    const { func } = this.#prepare(name, values);
    if (!this.#library.callRepeatedly(this.#instance, func, repeat, step))
      throw new Wasm3Trap(name, this.#library.trap(this.#instance));
  }

  /** Number of arguments of an export; undefined if there is none of that name that takes and returns i64 only. */
  arity(name: string): number | undefined {
    return this.#find(name)?.arity;
  }

  /** Linear memory. Valid until a call grows it, or close(). */
  get memory(): ArrayBuffer {
    const address = this.#shared[MEMORY]!;
    const bytes = Number(this.#shared[MEMORY_BYTES]!);
    if (address !== this.#memoryAddress || bytes !== this.#memory.byteLength) {
      this.#memory = bytes ? koffi.view(address, bytes) : new ArrayBuffer(0);
      this.#memoryAddress = address;
    }
    return this.#memory;
  }

  /** Frees the interpreter. Neither it nor its memory may be touched afterwards. */
  close(): void {
    this.#library.free(this.#instance);
  }

  #prepare(name: string, values: readonly bigint[]): Export {
    const found = this.#find(name);
    if (!found) throw new RangeError(`Cannot call ${name}: no such export, expected a function of i64`);
    if (values.length !== found.arity)
      throw new RangeError(`Cannot call ${name}: ${values.length} arguments, expected ${found.arity}`);
    for (let i = 0; i < values.length; i++) this.#shared[ARGUMENTS + i] = values[i]!;
    return found;
  }

  #find(name: string): Export | undefined {
    const known = this.#exports.get(name);
    if (known) return known;
    const arity = new Int32Array(1);
    const func = this.#library.find(this.#instance, name, arity);
    if (!func) return undefined;
    const found = { func, arity: arity[0]! };
    this.#exports.set(name, found);
    return found;
  }
}

/**
 * Loads a module into an interpreter of its own, and compiles all its functions.
 *
 * @param bytes the module
 * @returns the instance; close() frees it
 * @throws Wasm3LoadError if wasm3 refuses the module
 */
export function instantiate(bytes: Uint8Array): Wasm3Instance {
  return new Wasm3Instance(bytes);
}
