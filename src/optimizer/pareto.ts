import type { Setting } from '../core/types.js';

/** Settings and their rates, of which some may not be had. */
export interface RateTable {
  /** Vectors per request, ascending. */
  readonly batchSizes: readonly number[];
  /** Requests in flight, ascending. */
  readonly concurrencies: readonly number[];
  /** Row-major batchSizes x concurrencies, vectors per second; 0 for a setting that is not allowed. */
  readonly rates: Float64Array;
}

export interface FrontPoint extends Setting {
  readonly vectorsPerSecond: number;
}

/**
 * The settings that no other beats in rate, latency, memory and number of requests at once (Pareto 1896), row by row.
 *
 * Memory grows with the vectors in flight, `b c`; requests are `1 / b` per vector; the latency is `b c / rate` (Little's
 * law), so who has a higher rate with fewer in flight is quicker too. A setting is therefore beaten if and only if a batch
 * at least as large, with no more in flight, is at least as fast.
 */
export function paretoFront({ batchSizes, concurrencies, rates }: RateTable): FrontPoint[] {
  const columns = concurrencies.length;
  /** The best rate of a row with so many in flight or fewer. */
  const reached = new Float64Array(rates);
  for (let at = 0; at < reached.length; at++) {
    if (at % columns > 0) reached[at] = Math.max(reached[at]!, reached[at - 1]!);
  }
  const isBeaten = (row: number, column: number, rate: number): boolean => {
    if (column > 0 && reached[row * columns + column - 1]! >= rate) return true;
    const inFlight = batchSizes[row]! * concurrencies[column]!;
    let other = column;
    for (let larger = row + 1; larger < batchSizes.length; larger++) {
      while (other >= 0 && batchSizes[larger]! * concurrencies[other]! > inFlight) other--;
      if (other < 0) return false;
      if (reached[larger * columns + other]! >= rate) return true;
    }
    return false;
  };
  const front: FrontPoint[] = [];
  for (const [row, batchSize] of batchSizes.entries()) {
    for (const [column, concurrency] of concurrencies.entries()) {
      const vectorsPerSecond = rates[row * columns + column]!;
      if (vectorsPerSecond > 0 && !isBeaten(row, column, vectorsPerSecond)) {
        front.push({ batchSize, concurrency, vectorsPerSecond });
      }
    }
  }
  return front;
}

/** What a point of the front can be good for. */
export const MERITS = ['rate', 'latency', 'memory', 'requests'] as const;
export type Merit = (typeof MERITS)[number];

/** Share of the highest rate that a point keeps which is the best in something else. */
const LEAST_SHARE: Record<Merit, number> = { rate: 1, latency: 0.5, memory: 0.75, requests: 0.9 };

const inFlight = ({ batchSize, concurrency }: Setting): number => batchSize * concurrency;
const MEASURE: Record<Merit, (point: FrontPoint) => number> = {
  rate: (point) => -point.vectorsPerSecond,
  latency: (point) => inFlight(point) / point.vectorsPerSecond,
  memory: inFlight,
  requests: (point) => -point.batchSize,
};

/** Of each merit the point of a front that is best at it. */
export function extremes(front: readonly FrontPoint[]): Map<FrontPoint, Merit[]> {
  const highest = front.reduce((most, point) => Math.max(most, point.vectorsPerSecond), 0);
  const found = new Map<FrontPoint, Merit[]>();
  for (const merit of MERITS) {
    const measure = MEASURE[merit];
    const best = front
      .filter((point) => point.vectorsPerSecond >= LEAST_SHARE[merit] * highest)
      .reduce((a, b) => (measure(b) < measure(a) ? b : a));
    found.set(best, [...(found.get(best) ?? []), merit]);
  }
  return found;
}
