import { quantile } from '../core/statistics.js';
import type { LatencySample } from './fit.js';

/**
 * Weighs each sample by the square of its rate relative to the third quartile of the rates, 1 at most. The
 * fit minimizes squared errors of log(rate); weighted so it minimizes, to first order, squared errors of
 * the rate itself where rates are low, and relative ones where they are good. A fit serves to choose among
 * good settings, and what the model misses (LanceDB's commits collide in small batches and not in large
 * ones) should not be learnt where nobody wants to be. Over the six swept pairs the recommended cell's worst
 * share of the best goes from 0.82 to 0.92. A quartile, because the largest rate is the luckiest one.
 */
export function weighByRate(samples: readonly LatencySample[]): LatencySample[] {
  const rates = samples.map((s) => (s.batchSize * s.concurrency) / s.latencyMs);
  const relevance = relevanceAmong(rates);
  return samples.map((s, i) => ({ ...s, weight: (s.weight ?? 1) * relevance(rates[i]!) }));
}

/** How much it matters what is said of a setting with a rate, among others: the weight of {@link weighByRate}. */
export function relevanceAmong(rates: readonly number[]): (rate: number) => number {
  const good = quantile(rates, 0.75);
  return (rate) => Math.min(1, rate / good) ** 2;
}
