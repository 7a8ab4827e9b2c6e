import { median } from '../core/statistics.js';
import type { BatchExecutionRecord } from '../core/types.js';
import type { Expectation } from './worker.js';

/** A measured rate, vectors per second, and what was expected of it. */
export interface Measured extends Expectation {
  readonly record: BatchExecutionRecord;
  readonly rate: number;
}

/** Settings that are at least this share of the fastest are those that a model has to tell apart. */
export const FAST_SHARE = 0.5;

/**
 * Median |predicted / measured - 1| over the fast settings of one database and dimension, with what was learnt and
 * without; undefined without measurements.
 */
export function accuracyOf(measured: readonly Measured[]): {
  taught: number | undefined;
  prior: number | undefined;
} {
  if (measured.length === 0) return { taught: undefined, prior: undefined };
  const fastest = measured.reduce((most, { rate }) => Math.max(most, rate), 0);
  const fast = measured.filter(({ rate }) => rate >= FAST_SHARE * fastest);
  const off = (of: (m: Measured) => number) => median(fast.map((m) => Math.abs(of(m) / m.rate - 1)));
  return { taught: off(({ taught }) => taught), prior: off(({ prior }) => prior) };
}
