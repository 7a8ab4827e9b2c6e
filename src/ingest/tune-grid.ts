import { LARGEST_TUNED } from '../control/initial.js';
import type { Setting } from '../core/types.js';
import { type CostModel, vectorsPerSecond } from '../model/cost.js';

export const SMALLEST_BATCH = 8;
const MOST_CONCURRENCY = 8;
/** What programs do that nobody has tuned: about a hundred records in a request, one request at a time. */
export const BASELINE: Setting = { batchSize: 128, concurrency: 1 };
/** Of cells this close to the predicted best, the smallest is tried. */
const PLATEAU = 0.97;

/** The settings there are: batch 8 to 16384 and 1 to 8 in flight, in powers of two, as far as the bounds allow. */
export function tuneGrid(maxBatchSize: number, maxRowsInFlight = Number.POSITIVE_INFINITY): Setting[] {
  const grid: Setting[] = [];
  for (let batchSize = SMALLEST_BATCH; batchSize <= Math.min(LARGEST_TUNED, maxBatchSize); batchSize *= 2) {
    const most = Math.min(MOST_CONCURRENCY, maxRowsInFlight / batchSize);
    for (let concurrency = 1; concurrency <= most; concurrency *= 2) {
      grid.push({ batchSize, concurrency });
    }
  }
  return grid;
}

/** The cell to try next: the smallest on the predicted plateau of what was not tried, near the best so far where the model has no better idea. */
export function nextCell(
  grid: readonly Setting[],
  tried: readonly Setting[],
  model: CostModel,
  best?: Setting,
): Setting | undefined {
  const isTried = (cell: Setting) => tried.some((other) => keyOf(other) === keyOf(cell));
  const rate = (cell: Setting) => vectorsPerSecond(model, cell);
  const fresh = grid.filter((cell) => !isTried(cell));
  if (fresh.length === 0) return undefined;
  const peak = Math.max(...grid.map(rate));
  const plateau = grid.filter((cell) => rate(cell) >= PLATEAU * peak).sort(bySize)[0]!;
  if (!isTried(plateau)) return plateau;
  // The model holds what was tried to be the best: its neighbours may prove it wrong.
  const neighbours = fresh.filter((cell) => best && distance(cell, best) === 1);
  const candidates = neighbours.length > 0 ? neighbours : fresh;
  return candidates.reduce((a, b) => (rate(b) > rate(a) ? b : a));
}

export const keyOf = ({ batchSize, concurrency }: Setting): string => `${batchSize}x${concurrency}`;

const bySize = (a: Setting, b: Setting): number =>
  a.batchSize * a.concurrency - b.batchSize * b.concurrency || a.concurrency - b.concurrency;

/** Steps on the grid between two cells. */
const distance = (a: Setting, b: Setting): number =>
  Math.abs(Math.log2(a.batchSize / b.batchSize)) + Math.abs(Math.log2(a.concurrency / b.concurrency));
