/** Restore points of a target. */
import type { Point, Target } from '../targets/target.js';
import type { OpenPoint, RestorePoint, Source } from './point.js';

export class TargetSource implements Source {
  readonly address: string;
  readonly #target: Target;
  readonly #faultOf: (point: Point) => string | undefined;
  readonly #lost: () => readonly string[];

  /**
   * @param faultOf why a point may not be what its snapshot was
   * @param lost points that are known and cannot be read, in words
   */
  constructor(
    target: Target,
    faultOf: (point: Point) => string | undefined = () => undefined,
    lost: () => readonly string[] = () => [],
  ) {
    this.address = target.address;
    [this.#target, this.#faultOf, this.#lost] = [target, faultOf, lost];
  }

  points(onNotice: (text: string) => void): RestorePoint[] {
    for (const text of this.#lost()) onNotice(text);
    return this.#target.points().map((point) => {
      const { name, time, kind, bytes } = point;
      const fault = this.#faultOf(point);
      const storedBytes = this.#target.storedBytes(point);
      return { name, time, kind, bytes, storedBytes, ...(fault === undefined ? {} : { fault }) };
    });
  }

  open(point: RestorePoint): OpenPoint {
    const found = this.#target.points().find(({ name }) => name === point.name);
    if (!found) throw new RangeError(`no point ${point.name}`);
    return {
      point,
      label: `restore point ${point.name} of ${this.address}`,
      served: this.#target.exportOf(found),
      read: ({ onData, onDamage, onProgress = () => undefined }) =>
        this.#target.verify(found, onDamage, onProgress, onData),
      close: () => undefined,
    };
  }

  close(): void {
    this.#target.close?.();
  }
}
