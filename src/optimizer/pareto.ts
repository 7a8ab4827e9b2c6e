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

/**
 * The settings that no other beats in rate, latency, memory and number of requests at once (Pareto 1896): their places in
 * the row-major table, ascending.
 *
 * Memory grows with the vectors in flight, `b c`; requests are `1 / b` per vector; the latency is `b c / rate` (Little's
 * law), so who has a higher rate with fewer in flight is quicker too. A setting is therefore beaten if and only if a batch
 * at least as large, with no more in flight, is at least as fast.
 */
export function paretoFront({ batchSizes, concurrencies, rateOf }: RateTable): number[] {
  const rows = batchSizes.length;
  const columns = concurrencies.length;
  const reached = reachedBy(rows, columns, rateOf);
  const front: number[] = [];
  for (let row = 0; row < rows; row++) {
    const batchSize = batchSizes[row]!;
    for (let column = 0; column < columns; column++) {
      const rate = reached[row * columns + column]!;
      if (rate <= (column > 0 ? reached[row * columns + column - 1]! : 0)) continue;
      const inFlight = batchSize * concurrencies[column]!;
      let isBeaten = false;
      let other = column;
      for (let larger = row + 1; larger < rows && !isBeaten; larger++) {
        while (other >= 0 && batchSizes[larger]! * concurrencies[other]! > inFlight) other--;
        if (other < 0) break;
        isBeaten = reached[larger * columns + other]! >= rate;
      }
      if (!isBeaten) front.push(row * columns + column);
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
export type Merit = 'rate' | 'latency' | 'memory' | 'requests';

/** The best point so far, of those that keep a share of the highest rate. */
class Best {
  at = 0;
  #least = Number.POSITIVE_INFINITY;

  constructor(
    readonly merit: Merit,
    readonly leastRate: number,
  ) {}

  /** The less it measures, the better. */
  offer(at: number, rate: number, measure: number): void {
    if (rate < this.leastRate || measure >= this.#least) return;
    this.#least = measure;
    this.at = at;
  }
}

/** A point of a front, and what it is best at. */
export interface Extreme extends Setting {
  readonly vectorsPerSecond: number;
  readonly merits: readonly Merit[];
}

/** Of each merit the point of a table's front that is best at it; the front is by its places. */
export function extremes(
  { batchSizes, concurrencies, rateOf }: RateTable,
  front: readonly number[],
): Extreme[] {
  const columns = concurrencies.length;
  const rates = front.map((place) => rateOf(Math.floor(place / columns), place % columns));
  let highest = 0;
  for (const rate of rates) highest = Math.max(highest, rate);
  const fastest = new Best('rate', highest);
  const quickest = new Best('latency', 0.5 * highest);
  const leanest = new Best('memory', 0.75 * highest);
  const largest = new Best('requests', 0.9 * highest);
  for (let k = 0; k < front.length; k++) {
    const rate = rates[k]!;
    const batchSize = batchSizes[Math.floor(front[k]! / columns)]!;
    const inFlight = batchSize * concurrencies[front[k]! % columns]!;
    fastest.offer(k, rate, -rate);
    quickest.offer(k, rate, inFlight / rate);
    leanest.offer(k, rate, inFlight);
    largest.offer(k, rate, -batchSize);
  }
  const all = [fastest, quickest, leanest, largest];
  return [...new Set(all.map(({ at }) => at))].map((at) => ({
    batchSize: batchSizes[Math.floor(front[at]! / columns)]!,
    concurrency: concurrencies[front[at]! % columns]!,
    vectorsPerSecond: rates[at]!,
    merits: all.filter((best) => best.at === at).map(({ merit }) => merit),
  }));
}
