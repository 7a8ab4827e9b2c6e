import type { Setting } from '../core/types.js';

/** Settings and their rates, of which some may not be had. */
export interface RateTable {
  /** Vectors per request, ascending. */
  readonly batchSizes: readonly number[];
  /** Requests in flight, ascending. */
  readonly concurrencies: readonly number[];
  /** Vectors per second, row-major batchSizes x concurrencies; 0 for a setting that is not allowed. Finding a front changes it. */
  readonly rates: Float64Array;
}

/**
 * Visits, row by row, the settings that no other beats in rate, latency, memory and number of requests at once (Pareto
 * 1896), and says with each what the highest rate of all is.
 *
 * Memory grows with the vectors in flight, `b c`; requests are `1 / b` per vector; the latency is `b c / rate` (Little's
 * law), so who has a higher rate with fewer in flight is quicker too. A setting is therefore beaten if and only if a batch
 * at least as large, with no more in flight, is at least as fast.
 */
export function eachUnbeaten(
  { batchSizes, concurrencies, rates }: RateTable,
  visit: (row: number, column: number, rate: number, highest: number) => void,
): void {
  const rows = batchSizes.length;
  const columns = concurrencies.length;
  accumulate(rates, rows, columns);
  let highest = 0;
  for (let row = 1; row <= rows; row++) highest = Math.max(highest, rates[row * columns - 1]!);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const rate = rates[row * columns + column]!;
      if (rate <= (column > 0 ? rates[row * columns + column - 1]! : 0)) continue;
      const inFlight = batchSizes[row]! * concurrencies[column]!;
      let isBeaten = false;
      let other = column;
      for (let larger = row + 1; larger < rows && !isBeaten; larger++) {
        while (other >= 0 && batchSizes[larger]! * concurrencies[other]! > inFlight) other--;
        if (other < 0) break;
        isBeaten = rates[larger * columns + other]! >= rate;
      }
      if (!isBeaten) visit(row, column, rate, highest);
    }
  }
}

/** Kept from front to front: memory for a new table takes longer than to fill it. */
let latest = new Float64Array(4096);

/** Room for a table's rates; the next table is made in the same. */
export function tableOf(cells: number): Float64Array {
  if (latest.length < cells) latest = new Float64Array(cells);
  return latest;
}

/** Makes each rate the best of its row with so many in flight or fewer. */
function accumulate(rates: Float64Array, rows: number, columns: number): void {
  for (let row = 0; row < rows; row++) {
    for (let at = row * columns + 1; at < (row + 1) * columns; at++) {
      if (rates[at]! < rates[at - 1]!) rates[at] = rates[at - 1]!;
    }
  }
}

/** What a point of the front can be good for. */
export type Merit = 'rate' | 'latency' | 'memory' | 'requests';

/** The best point so far, of those that keep a share of the highest rate. */
class Best {
  row = 0;
  column = 0;
  rate = 0;
  #least = Number.POSITIVE_INFINITY;

  constructor(
    readonly merit: Merit,
    readonly leastShare: number,
  ) {}

  /** The less it measures, the better. */
  offer(row: number, column: number, rate: number, highest: number, measure: number): void {
    if (rate < this.leastShare * highest || measure >= this.#least) return;
    this.#least = measure;
    this.row = row;
    this.column = column;
    this.rate = rate;
  }
}

/** A point of a front, and what it is best at. */
export interface Extreme extends Setting {
  readonly vectorsPerSecond: number;
  readonly merits: readonly Merit[];
}

/** What is told of a front: how many settings are on it, and of each merit the one that is best at it. */
export interface Front {
  readonly size: number;
  readonly extremes: readonly Extreme[];
}

/** The front of a table, of which at least one setting is allowed. */
export function paretoFront(table: RateTable): Front {
  const { batchSizes, concurrencies } = table;
  const fastest = new Best('rate', 1);
  const quickest = new Best('latency', 0.5);
  const leanest = new Best('memory', 0.75);
  const largest = new Best('requests', 0.9);
  let size = 0;
  eachUnbeaten(table, (row, column, rate, highest) => {
    size++;
    const inFlight = batchSizes[row]! * concurrencies[column]!;
    fastest.offer(row, column, rate, highest, -rate);
    quickest.offer(row, column, rate, highest, inFlight / rate);
    leanest.offer(row, column, rate, highest, inFlight);
    largest.offer(row, column, rate, highest, -batchSizes[row]!);
  });
  const extremes: (Extreme & { merits: Merit[] })[] = [];
  for (const { row, column, rate, merit } of [fastest, quickest, leanest, largest]) {
    const batchSize = batchSizes[row]!;
    const concurrency = concurrencies[column]!;
    const known = extremes.find((one) => one.batchSize === batchSize && one.concurrency === concurrency);
    if (known) known.merits.push(merit);
    else extremes.push({ batchSize, concurrency, vectorsPerSecond: rate, merits: [merit] });
  }
  return { size, extremes };
}
