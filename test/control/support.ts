import { type Bounds, clampSetting, UNBOUNDED } from '../../src/control/bounds.js';
import type { BatchSample, Decision, Policy } from '../../src/control/policy.js';
import { Random } from '../../src/core/random.js';
import type { Setting } from '../../src/core/types.js';

/** A sample with everything a test does not care about filled in. */
export function sampleOf(sample: Partial<BatchSample>): BatchSample {
  const rows = sample.rows ?? sample.batchSize ?? 100;
  return {
    batchSize: rows,
    rows,
    bytes: rows * 512,
    concurrency: 1,
    inFlight: 1,
    startMs: 0,
    endMs: 10,
    outcome: 'ok',
    ...sample,
  };
}

/** Doubles or halves one of the axes with every batch, as chance has it. */
export class RandomWalk implements Policy {
  readonly name = 'random walk';
  readonly #random: Random;
  #setting: Setting;
  #bounds: Bounds = UNBOUNDED;

  constructor(initial: Setting, seed: number) {
    this.#setting = initial;
    this.#random = new Random(seed);
  }

  get setting(): Decision {
    return { ...this.best, reason: 'chance' };
  }

  get best(): Setting {
    return clampSetting(this.#setting, this.#bounds);
  }

  observe(): void {
    const { batchSize, concurrency } = this.best;
    const factor = this.#random.next() < 0.5 ? 0.5 : 2;
    this.#setting =
      this.#random.next() < 0.5
        ? { batchSize: batchSize * factor, concurrency }
        : { batchSize, concurrency: concurrency * factor };
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
  }
}
