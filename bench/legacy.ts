import { type Bounds, clampSetting, UNBOUNDED } from '../src/control/bounds.js';
import type { BatchSample, Decision, Policy } from '../src/control/policy.js';
import type { Setting } from '../src/core/types.js';

const CONCURRENCY = 5;
const SLOW_MS = 1000;
const FAST_MS = 500;

/**
 * The fixed heuristic of the system that this package replaces: a tenth of the items, clamped to 10..500; 10 %
 * less after a batch slower than 1000 ms, 10 % more after one faster than 500 ms; windows of five batches under one
 * `Promise.all` (that is `lockStep`).
 */
export class LegacyPolicy implements Policy {
  readonly name = 'legacy';
  #batchSize: number;
  #bounds: Bounds = UNBOUNDED;

  constructor(items: number) {
    this.#batchSize = clampBatch(items / 10);
  }

  get setting(): Decision {
    return { ...this.best, reason: 'the legacy heuristic' };
  }

  get best(): Setting {
    return clampSetting({ batchSize: this.#batchSize, concurrency: CONCURRENCY }, this.#bounds);
  }

  observe(sample: BatchSample): void {
    if (sample.outcome !== 'ok') return;
    const tookMs = sample.endMs - sample.startMs;
    if (tookMs > SLOW_MS) this.#batchSize = clampBatch(this.#batchSize * 0.9);
    else if (tookMs < FAST_MS) this.#batchSize = clampBatch(this.#batchSize * 1.1);
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
  }
}

const clampBatch = (size: number): number => Math.round(Math.min(500, Math.max(10, size)));
