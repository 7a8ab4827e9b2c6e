import type { Random } from '../core/random.js';

/** A round, what was done in it, and what came of it. */
export interface Transition {
  readonly state: Float64Array;
  readonly action: number;
  readonly reward: number;
  readonly next: Float64Array;
  /** Actions that were open in `next`. */
  readonly open: readonly boolean[];
}

/** The last so many transitions, to be drawn from evenly. */
export class ReplayMemory {
  readonly #capacity: number;
  readonly #kept: Transition[] = [];
  #oldest = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(transition: Transition): void {
    if (this.#kept.length < this.#capacity) {
      this.#kept.push(transition);
      return;
    }
    this.#kept[this.#oldest] = transition;
    this.#oldest = (this.#oldest + 1) % this.#capacity;
  }

  draw(random: Random): Transition {
    return this.#kept[random.integer(this.#kept.length)]!;
  }
}
