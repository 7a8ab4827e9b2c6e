import { MAX_CONCURRENCY } from '../core/limits.js';

/** Past this no database gains from a larger batch; the largest that was ever measured as best is 16,384. */
const LARGEST_BATCH = 65_536;
/** Up to here every concurrency is a candidate of its own. */
const DENSE_CONCURRENCY = 64;

/** 1, 2, 3, 4, 6, 8, 12, 16, 24 ...: powers of two and the halves between, in [from, to]. */
function halfOctaves(from: number, to: number): number[] {
  const values: number[] = [];
  for (let power = 1; power <= to; power *= 2) values.push(power, power * 1.5);
  return values.filter((value) => Number.isInteger(value) && value >= from && value <= to);
}

const ROUND_BATCHES: readonly number[] = halfOctaves(1, LARGEST_BATCH);
const CONCURRENCIES: readonly number[] = [
  ...Array.from({ length: DENSE_CONCURRENCY }, (_, i) => i + 1),
  ...halfOctaves(DENSE_CONCURRENCY + 1, MAX_CONCURRENCY),
];

/** Axes with one number of their own, by it; few are asked for, again and again. */
const axes = new Map<number, readonly number[]>();
const MOST_AXES = 256;

/** Batch sizes to choose from: round numbers, and those that matter in this case (a row limit, the number of items). */
export function batchSizeAxis(special: readonly (number | undefined)[]): readonly number[] {
  let axis = ROUND_BATCHES;
  for (const batchSize of special) {
    if (batchSize === undefined || !(batchSize >= 1 && batchSize <= LARGEST_BATCH)) continue;
    axis = axis === ROUND_BATCHES ? axisOf(batchSize) : withNumber(axis, batchSize);
  }
  return axis;
}

/** The round numbers and one more. */
function axisOf(batchSize: number): readonly number[] {
  let axis = axes.get(batchSize);
  if (!axis) {
    axis = withNumber(ROUND_BATCHES, batchSize);
    if (axes.size >= MOST_AXES) axes.clear();
    axes.set(batchSize, axis);
  }
  return axis;
}

function withNumber(axis: readonly number[], batchSize: number): readonly number[] {
  const at = axis.findIndex((other) => other >= batchSize);
  return axis[at] === batchSize ? axis : [...axis.slice(0, at), batchSize, ...axis.slice(at)];
}

/** Concurrencies to choose from: each up to 64, then round numbers. */
export const concurrencyAxis = (): readonly number[] => CONCURRENCIES;
