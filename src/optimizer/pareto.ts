import type { Setting } from '../core/types.js';

/** Settings and their rates, of which some may not be had. */
export interface RateTable {
  /** Vectors per request, ascending; the first `rows` of them. */
  readonly batchSizes: ArrayLike<number>;
  readonly rows: number;
  /** Requests in flight, ascending; the first `columns` of them. */
  readonly concurrencies: ArrayLike<number>;
  readonly columns: number;
  /** Vectors per second, rows x columns; 0 for a setting that is not allowed. */
  readonly rates: Float64Array;
}

/** Kept from table to table: memory for a new one takes longer than to fill it. */
let latest = new Float64Array(4096);

/** Room for a table's rates; the next table is made in the same. */
export function tableOf(cells: number): Float64Array {
  if (latest.length < cells) latest = new Float64Array(cells);
  return latest;
}

/** What a point of the front can be good for. */
export type Merit = 'rate' | 'latency' | 'memory' | 'requests';

/** A point of a front, and what it is best at. */
export interface Extreme extends Setting {
  readonly vectorsPerSecond: number;
  readonly merits: readonly Merit[];
}

/**
 * Of each merit the setting that is best at it, for a share of the highest rate: points of the Pareto front (Pareto 1896) of
 * rate, latency, memory and number of requests, of a table with at least one setting that is allowed.
 *
 * Memory grows with the vectors in flight, `b c`; requests are `1 / b` per vector; the latency is `b c / rate` (Little's
 * law). So a setting is beaten in all of them if and only if a batch at least as large, with no more in flight, is at least
 * as fast: of settings that are equally good for a merit, the one that none beats is taken.
 */
export function extremesOf({ batchSizes, rows, concurrencies, columns, rates }: RateTable): Extreme[] {
  let highest = 0;
  for (let cell = 0; cell < rows * columns; cell++) highest = Math.max(highest, rates[cell]!);
  let fastest = 0;
  let quickest = 0;
  let leanest = 0;
  let largest = 0;
  let fewestOfFastest = Number.POSITIVE_INFINITY;
  let leastLatency = Number.POSITIVE_INFINITY;
  let fewest = Number.POSITIVE_INFINITY;
  let largestBatch = 0;
  for (let row = 0, cell = 0; row < rows; row++) {
    const batchSize = batchSizes[row]!;
    for (let column = 0; column < columns; column++, cell++) {
      const rate = rates[cell]!;
      if (rate < 0.5 * highest) continue;
      const inFlight = batchSize * concurrencies[column]!;
      if (inFlight / rate <= leastLatency) {
        leastLatency = inFlight / rate;
        quickest = cell;
      }
      if (rate < 0.75 * highest) continue;
      if (inFlight < fewest || (inFlight === fewest && rate >= rates[leanest]!)) {
        fewest = inFlight;
        leanest = cell;
      }
      if (rate >= 0.9 * highest && batchSize > largestBatch) {
        largestBatch = batchSize;
        largest = cell;
      }
      if (rate === highest && inFlight <= fewestOfFastest) {
        fewestOfFastest = inFlight;
        fastest = cell;
      }
    }
  }
  const best = [fastest, quickest, leanest, largest];
  const extremes: Extreme[] = [];
  for (let k = 0; k < best.length; k++) {
    const cell = best[k]!;
    if (best.indexOf(cell) < k) continue;
    const merits: Merit[] = [];
    for (let other = k; other < best.length; other++) {
      if (best[other] === cell) merits.push(MERITS[other]!);
    }
    extremes.push({
      batchSize: batchSizes[Math.floor(cell / columns)]!,
      concurrency: concurrencies[cell % columns]!,
      vectorsPerSecond: rates[cell]!,
      merits,
    });
  }
  return extremes;
}

const MERITS: readonly Merit[] = ['rate', 'latency', 'memory', 'requests'];
