import type { Decision } from '../control/policy.js';
import type { Setting } from '../core/types.js';
import type { Source } from './ports.js';
import type { Tally } from './tally.js';

/** Where a load is. */
export interface Progress {
  /** Records read so far. */
  items: number;
  acknowledged: number;
  rejected: number;
  /** Records that earlier runs of a resumed load have settled. */
  resumedFrom: number;
  /** Records in all, where the source knows. */
  total?: number;
  /** Acknowledged per second, over about the last two seconds. */
  vectorsPerSecond: number;
  /** Time left at that rate, ms; null where the total is not known. */
  etaMs: number | null;
  /** Attempts that were acknowledged. */
  batches: number;
  /** Of those attempts, ms; 0 before the first. */
  latencyMs: { p50: number; p95: number };
  /** Attempts beyond the first for a batch. */
  retries: number;
  /** The set-point in force. */
  setting: Setting;
  /** Why it is in force. */
  reason: string;
  elapsedMs: number;
}

const INTERVAL_MS = 100;
/** Time constant of the mean rate. */
const RATE_MS = 2000;

/** Turns the tally into progress reports, not more than ten a second. */
export class ProgressReporter {
  readonly #source: Source;
  readonly #tally: Tally;
  readonly #report: (progress: Progress) => void;
  readonly #startMs: number;
  #lastMs: number;
  #lastAcknowledged = 0;
  #vectorsPerSecond = 0;
  #resumedFrom = 0;

  constructor(source: Source, tally: Tally, startMs: number, report: (progress: Progress) => void) {
    this.#source = source;
    this.#tally = tally;
    this.#report = report;
    this.#startMs = startMs;
    this.#lastMs = startMs;
  }

  /** So many records were settled by earlier runs. */
  resumeFrom(records: number): void {
    this.#resumedFrom = records;
  }

  /** Reports if it is time to; at once if `isLast`. */
  update(nowMs: number, decision: Decision, isLast = false): void {
    const elapsedMs = nowMs - this.#lastMs;
    if (elapsedMs < INTERVAL_MS && !isLast) return;
    const { items, acknowledged, rejected, latencies, retries } = this.#tally;
    if (elapsedMs > 0) {
      const rate = (1000 * (acknowledged - this.#lastAcknowledged)) / elapsedMs;
      const weight = this.#vectorsPerSecond === 0 ? 1 : 1 - Math.exp(-elapsedMs / RATE_MS);
      this.#vectorsPerSecond += weight * (rate - this.#vectorsPerSecond);
      this.#lastMs = nowMs;
      this.#lastAcknowledged = acknowledged;
    }
    const total = this.#source.count;
    this.#report({
      items,
      acknowledged,
      rejected,
      resumedFrom: this.#resumedFrom,
      ...(total === undefined ? {} : { total }),
      vectorsPerSecond: this.#vectorsPerSecond,
      etaMs: this.#etaMs(nowMs),
      batches: latencies.count,
      latencyMs: { p50: latencies.percentile(0.5), p95: latencies.percentile(0.95) },
      retries,
      setting: { batchSize: decision.batchSize, concurrency: decision.concurrency },
      reason: decision.reason,
      elapsedMs: nowMs - this.#startMs,
    });
  }

  #etaMs(nowMs: number): number | null {
    const settled = this.#tally.acknowledged + this.#tally.rejected;
    const { count } = this.#source;
    const remaining = (count ?? 0) - settled - this.#resumedFrom;
    if (count !== undefined) {
      return this.#vectorsPerSecond > 0 ? (1000 * Math.max(0, remaining)) / this.#vectorsPerSecond : null;
    }
    const bytes = this.#source.progress?.();
    // After a resume the bytes say how much was skipped, not how much was sent.
    if (!bytes || bytes.readBytes === 0 || this.#tally.items === 0 || this.#resumedFrom > 0) return null;
    // Bytes run ahead of the acknowledgements by what is read and not yet settled.
    const share = (bytes.readBytes / bytes.totalBytes) * (settled / this.#tally.items);
    return share > 0 ? (nowMs - this.#startMs) * (1 / share - 1) : null;
  }
}
