import { median } from '../core/statistics.js';
import type { BatchExecutionRecord } from '../core/types.js';
import type { Expectation } from './worker.js';

/** A measured rate, vectors per second, and what was expected of it. */
export interface Measured extends Expectation {
  readonly record: BatchExecutionRecord;
  readonly rate: number;
}

/** Median |predicted / measured - 1|, with what was learnt and without; undefined without measurements. */
export function accuracyOf(measured: readonly Measured[]): {
  taught: number | undefined;
  prior: number | undefined;
} {
  if (measured.length === 0) return { taught: undefined, prior: undefined };
  const off = (predicted: (m: Measured) => number) =>
    median(measured.map((m) => Math.abs(predicted(m) / m.rate - 1)));
  return { taught: off(({ taught }) => taught), prior: off(({ prior }) => prior) };
}
