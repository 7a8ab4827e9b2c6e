import type { Setting } from '../core/types.js';
import { type CostModel, vectorsPerSecond } from '../model/cost.js';
import { type Bounds, clampSetting } from './bounds.js';

/** Where to begin without any idea of the database. */
const BLIND: Setting = { batchSize: 128, concurrency: 1 };
const TOLERANCE = 0.97;
/** Tunings measure batches up to this: beyond it a law is a guess. */
export const LARGEST_TUNED = 16_384;

/** How a prior came to be known. */
export type PriorBasis = 'measured' | 'advised';

/**
 * Where a load begins: at what a measured prior holds best, the smallest setting within 3 % of its peak. A load that
 * begins far below has sent much of its rows before the ladders have caught up. Advice may be wrong about the order of
 * magnitude: there it is a quarter of the batch and half of the requests in flight, so that the ladders meet the
 * plateau from below. The batch is never smaller than without any prior.
 */
export function initialSetting(
  prior: CostModel | undefined,
  bounds: Bounds,
  basis: PriorBasis = 'measured',
): Setting {
  if (!prior) return clampSetting(BLIND, bounds);
  const grid: (Setting & { rate: number })[] = [];
  for (let { batchSize } = BLIND; batchSize <= LARGEST_TUNED; batchSize *= 2) {
    for (const concurrency of [1, 2, 4, 8, 16]) {
      const setting = clampSetting({ batchSize, concurrency }, bounds);
      grid.push({ ...setting, rate: vectorsPerSecond(prior, setting) });
    }
  }
  const peak = Math.max(...grid.map((cell) => cell.rate));
  const { batchSize, concurrency } = grid
    .filter((cell) => cell.rate >= TOLERANCE * peak)
    .reduce((a, b) => (b.batchSize * b.concurrency < a.batchSize * a.concurrency ? b : a));
  if (basis === 'measured') return { batchSize, concurrency };
  const cautious = { batchSize: Math.max(BLIND.batchSize, batchSize / 4), concurrency: concurrency / 2 };
  return clampSetting(cautious, bounds);
}
