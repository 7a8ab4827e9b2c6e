import { MAX_BATCH_SIZE, MAX_CONCURRENCY } from '../core/limits.js';
import type { Setting } from '../core/types.js';

/** The envelope of the settings: all ends inclusive, all at least 1. */
export interface Bounds {
  readonly maxBatchSize: number;
  readonly maxConcurrency: number;
  /** Most rows in all requests in flight together: what memory allows. */
  readonly maxRowsInFlight: number;
}

export const UNBOUNDED: Bounds = {
  maxBatchSize: MAX_BATCH_SIZE,
  maxConcurrency: MAX_CONCURRENCY,
  maxRowsInFlight: Number.MAX_SAFE_INTEGER,
};

/** The nearest setting inside the envelope: whole numbers; where memory binds, concurrency is kept and the batch gives way. */
export function clampSetting(setting: Setting, bounds: Bounds): Setting {
  const concurrency = Math.max(
    1,
    Math.min(Math.round(setting.concurrency), bounds.maxConcurrency, bounds.maxRowsInFlight),
  );
  const batchSize = Math.max(
    1,
    Math.min(
      Math.round(setting.batchSize),
      bounds.maxBatchSize,
      Math.floor(bounds.maxRowsInFlight / concurrency),
    ),
  );
  return { batchSize, concurrency };
}

export function sameSetting(a: Setting, b: Setting): boolean {
  return a.batchSize === b.batchSize && a.concurrency === b.concurrency;
}
