import type { BatchSample } from './policy.js';

/** A request may take this many times what was predicted for it. */
const MULTIPLE = 10;
/** No time-out is shorter: a database may pause for garbage, compaction or a failover. */
export const SHORTEST_TIMEOUT_MS = 30_000;
const LONGEST_TIMEOUT_MS = 900_000;
const WEIGHT = 0.2;

/**
 * Predicts how long a request may take before it counts as hanging: ten times the mean latency of the
 * recent ones, scaled up (never down) to its size, at least 30 s, doubled with every attempt.
 */
export class TimeoutEstimator {
  #latencyMs = 0;
  #rows = 0;

  observe(sample: BatchSample): void {
    if (sample.outcome !== 'ok') return;
    const weight = this.#rows === 0 ? 1 : WEIGHT;
    this.#latencyMs += weight * (sample.endMs - sample.startMs - this.#latencyMs);
    this.#rows += weight * (sample.rows - this.#rows);
  }

  /** @param attempt counts from 1 */
  timeoutMs(rows: number, attempt: number): number {
    const predictedMs = this.#rows === 0 ? 0 : this.#latencyMs * Math.max(1, rows / this.#rows);
    return Math.min(
      LONGEST_TIMEOUT_MS,
      Math.max(SHORTEST_TIMEOUT_MS, MULTIPLE * predictedMs) * 2 ** (attempt - 1),
    );
  }
}
