import type { Setting } from '../core/types.js';

/** A measured setting: how often, and its mean log(rate). */
export interface MeasuredCell extends Setting {
  readonly count: number;
  readonly logRate: number;
}

/** Octaves of batch size, and of requests in flight, over which neighbours count. */
const DEVIATION = 0.7;

/** Squared distance in octaves. */
export const distance = (a: Setting, b: Setting): number =>
  Math.log2(a.batchSize / b.batchSize) ** 2 + Math.log2(a.concurrency / b.concurrency) ** 2;

/**
 * log(rate) at a setting as the Gaussian-kernel average of what was measured about it (Nadaraya 1964), every record
 * weighing the same. The largest of noisy cells is the luckiest one; the largest of the average is not.
 */
export function kernelAverage(cells: readonly MeasuredCell[], at: Setting): number {
  let sum = 0;
  let total = 0;
  for (const cell of cells) {
    const weight = cell.count * Math.exp(-distance(cell, at) / (2 * DEVIATION ** 2));
    total += weight;
    sum += weight * cell.logRate;
  }
  return sum / total;
}

/** The cell nearest to a setting; of equally near ones the first. */
export const nearestCell = <T extends Setting>(cells: readonly T[], to: Setting): T =>
  cells.reduce((a, b) => (distance(b, to) < distance(a, to) ? b : a));
