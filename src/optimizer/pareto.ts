import type { Setting } from '../core/types.js';

/** Settings and their rates, of which some may not be had. */
export interface RateTable {
  /** Vectors per request, ascending. */
  readonly batchSizes: readonly number[];
  /** Requests in flight, ascending. */
  readonly concurrencies: readonly number[];
  /** Vectors per second by the places in both; 0 for a setting that is not allowed. */
  readonly rateOf: (row: number, column: number) => number;
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
export function paretoFront({ batchSizes, concurrencies, rateOf }: RateTable): FrontPoint[] {
  const rows = batchSizes.length;
  const columns = concurrencies.length;
  const reached = reachedBy(rows, columns, rateOf);
  const front: FrontPoint[] = [];
  for (let row = 0; row < rows; row++) {
    const batchSize = batchSizes[row]!;
    for (let column = 0; column < columns; column++) {
      const rate = reached[row * columns + column]!;
      if (rate <= (column > 0 ? reached[row * columns + column - 1]! : 0)) continue;
      const concurrency = concurrencies[column]!;
      const inFlight = batchSize * concurrency;
      let isBeaten = false;
      let other = column;
      for (let larger = row + 1; larger < rows && !isBeaten; larger++) {
        while (other >= 0 && batchSizes[larger]! * concurrencies[other]! > inFlight) other--;
        if (other < 0) break;
        isBeaten = reached[larger * columns + other]! >= rate;
      }
      if (!isBeaten) front.push({ batchSize, concurrency, vectorsPerSecond: rate });
    }
  }
  return front;
}

/** Kept from front to front: memory for a new table takes longer than to fill it. */
let table = new Float64Array(4096);

/** The best rate of each row with so many in flight or fewer. */
function reachedBy(rows: number, columns: number, rateOf: RateTable['rateOf']): Float64Array {
  if (table.length < rows * columns) table = new Float64Array(rows * columns);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let column = 0; column < columns; column++) {
      best = Math.max(best, rateOf(row, column));
      table[at++] = best;
    }
  }
  return table;
}

/** What a point of the front can be good for. */
export const MERITS = ['rate', 'latency', 'memory', 'requests'] as const;
export type Merit = (typeof MERITS)[number];

/** Share of the highest rate that a point keeps which is the best in something else. */
const LEAST_SHARE: Record<Merit, number> = { rate: 1, latency: 0.5, memory: 0.75, requests: 0.9 };

const inFlight = ({ batchSize, concurrency }: Setting): number => batchSize * concurrency;

/** The less, the better. */
function measureOf(merit: Merit, point: FrontPoint): number {
  switch (merit) {
    case 'rate':
      return -point.vectorsPerSecond;
    case 'latency':
      return inFlight(point) / point.vectorsPerSecond;
    case 'memory':
      return inFlight(point);
    case 'requests':
      return -point.batchSize;
  }
}

/** Of each merit the point of a front that is best at it. */
export function extremes(front: readonly FrontPoint[]): Map<FrontPoint, Merit[]> {
  let highest = 0;
  for (const { vectorsPerSecond } of front) highest = Math.max(highest, vectorsPerSecond);
  const found = new Map<FrontPoint, Merit[]>();
  for (const merit of MERITS) {
    const leastRate = LEAST_SHARE[merit] * highest;
    let best: FrontPoint | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const point of front) {
      if (point.vectorsPerSecond < leastRate) continue;
      const measure = measureOf(merit, point);
      if (measure < least) {
        least = measure;
        best = point;
      }
    }
    const merits = found.get(best!);
    if (merits) merits.push(merit);
    else found.set(best!, [merit]);
  }
  return found;
}
