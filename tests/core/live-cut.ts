// When the power is cut in a history: after so many steps, or so many of one phase, mostly while the map in force changes.

import { PowerCut, type Random } from './live-disk.js';
import type { Phase } from './live-driver.js';

const NEVER = Number.POSITIVE_INFINITY;
const PHASES: readonly Phase[] = ['pieces', 'switch', 'switch', 'switch', 'map', 'clean', 'resume'];

export class Cut {
  readonly #random: Random;
  #steps = NEVER;
  #phaseSteps = NEVER;
  #phase: Phase = 'idle';

  constructor(random: Random) {
    this.#random = random;
  }

  plan(): void {
    this.#steps = 1 + this.#random([8, 50, 150, 300][this.#random(4)]!);
    if (this.#random(2)) return;
    this.#steps = 400;
    this.#phaseSteps = 1 + this.#random(16);
    this.#phase = PHASES[this.#random(PHASES.length)]!;
  }

  /** None until the next is planned. */
  cancel(): void {
    this.#steps = this.#phaseSteps = NEVER;
  }

  /** @throws PowerCut now, perhaps */
  step(phase: Phase): void {
    this.#steps--;
    if (phase === this.#phase) this.#phaseSteps--;
    if (this.#steps <= 0 || this.#phaseSteps <= 0) throw new PowerCut();
  }
}
