import type { Setting } from '../core/types.js';

/** What a point of the front can be good for. */
export type Merit = 'rate' | 'latency' | 'memory' | 'requests';

/** A point of a front, and what it is best at. */
export interface Extreme extends Setting {
  readonly vectorsPerSecond: number;
  readonly merits: readonly Merit[];
}

/** The best so far. */
class Best {
  batchSize = 0;
  concurrency = 0;
  vectorsPerSecond = 0;
  measure = Number.POSITIVE_INFINITY;

  constructor(readonly merit: Merit) {}

  take(batchSize: number, concurrency: number, vectorsPerSecond: number, measure: number): void {
    this.batchSize = batchSize;
    this.concurrency = concurrency;
    this.vectorsPerSecond = vectorsPerSecond;
    this.measure = measure;
  }
}

/**
 * Of each merit the setting that is best at it, for a share of the highest rate: points of the Pareto front (Pareto 1896) of
 * rate, latency, memory and number of requests. Settings are offered by ascending batch size, and of each by descending
 * concurrency.
 *
 * Memory grows with the vectors in flight, `b c`; requests are `1 / b` per vector; the latency is `b c / rate` (Little's
 * law). So a setting is beaten in all of them if and only if a batch at least as large, with no more in flight, is at least
 * as fast: of settings that are equally good for a merit, the one that none beats is taken.
 */
export class Extremes {
  /** Vectors per second; slower settings are good for nothing and need not be offered. */
  readonly leastRate: number;
  readonly #highest: number;
  readonly #fastest = new Best('rate');
  readonly #quickest = new Best('latency');
  readonly #leanest = new Best('memory');
  readonly #largest = new Best('requests');

  /** @param highest vectors per second of the fastest setting that will be offered */
  constructor(highest: number) {
    this.#highest = highest;
    this.leastRate = 0.5 * highest;
  }

  offer(batchSize: number, concurrency: number, rate: number): void {
    if (rate < this.leastRate) return;
    const inFlight = batchSize * concurrency;
    const latency = inFlight / rate;
    if (latency <= this.#quickest.measure) this.#quickest.take(batchSize, concurrency, rate, latency);
    if (rate < 0.75 * this.#highest) return;
    const leanest = this.#leanest;
    if (inFlight < leanest.measure || (inFlight === leanest.measure && rate >= leanest.vectorsPerSecond)) {
      leanest.take(batchSize, concurrency, rate, inFlight);
    }
    if (rate < 0.9 * this.#highest) return;
    if (batchSize >= this.#largest.batchSize) this.#largest.take(batchSize, concurrency, rate, inFlight);
    if (rate === this.#highest && inFlight <= this.#fastest.measure) {
      this.#fastest.take(batchSize, concurrency, rate, inFlight);
    }
  }

  /** Each setting once, of those that were offered. */
  found(): Extreme[] {
    const extremes: (Extreme & { merits: Merit[] })[] = [];
    for (const best of [this.#fastest, this.#quickest, this.#leanest, this.#largest]) {
      const { batchSize, concurrency, vectorsPerSecond, merit } = best;
      const known = extremes.find((one) => one.batchSize === batchSize && one.concurrency === concurrency);
      if (known) known.merits.push(merit);
      else extremes.push({ batchSize, concurrency, vectorsPerSecond, merits: [merit] });
    }
    return extremes;
  }
}
