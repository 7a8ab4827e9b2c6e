import type { Decision } from '../control/policy.js';
import type { Clock } from '../core/clock.js';
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
  /** Acknowledged per second, over about the last two seconds, or two requests where they take longer; 0 in a stall. */
  vectorsPerSecond: number;
  /** Time left at that rate, ms; null where the total is not known, and in a stall. */
  etaMs: number | null;
  /** Attempts that were acknowledged. */
  batches: number;
  /** Of those attempts, ms; 0 before the first. */
  latencyMs: { p50: number; p95: number };
  /** Attempts beyond the first for a batch. */
  retries: number;
  /** Attempts that failed, whether the batch was tried again or not. */
  failures: number;
  /** The set-point in force. */
  setting: Setting;
  /** Why it is in force. */
  reason: string;
  elapsedMs: number;
}

const INTERVAL_MS = 100;
/** A report is made after this long at the latest. */
const LONGEST_INTERVAL_MS = 1000;
/** The rate is that of so long a time, ms. */
const WINDOW_MS = 2000;

/** Turns the tally into progress reports, not more than ten a second. */
export class ProgressReporter {
  readonly #source: Source;
  readonly #tally: Tally;
  readonly #report: (progress: Progress) => void;
  readonly #startMs: number;
  /** What was acknowledged at the reports within the window, and at the last one before it. */
  #window: { readonly atMs: number; readonly acknowledged: number }[];
  #vectorsPerSecond = 0;
  #resumedFrom = 0;

  constructor(source: Source, tally: Tally, startMs: number, report: (progress: Progress) => void) {
    this.#source = source;
    this.#tally = tally;
    this.#report = report;
    this.#startMs = startMs;
    this.#window = [{ atMs: startMs, acknowledged: 0 }];
  }

  /** So many records were settled by earlier runs. */
  resumeFrom(records: number): void {
    this.#resumedFrom = records;
  }

  /** Reports about once a second until `end`, however long a request takes: a database that hangs is to be seen. */
  async watch(clock: Clock, decision: () => Decision, end: AbortSignal): Promise<void> {
    this.#window = [{ atMs: clock.now(), acknowledged: this.#tally.acknowledged }];
    const pause = () =>
      clock.sleep(LONGEST_INTERVAL_MS, end).then(
        () => true,
        () => false,
      );
    while (await pause()) this.update(clock.now(), decision());
  }

  /** Reports if it is time to; at once if `isLast`. */
  update(nowMs: number, decision: Decision, isLast = false): void {
    if (nowMs - this.#window.at(-1)!.atMs < INTERVAL_MS && !isLast) return;
    const { items, acknowledged, rejected, latencies, retries, failures } = this.#tally;
    const latencyMs = { p50: latencies.percentile(0.5), p95: latencies.percentile(0.95) };
    this.#observe(nowMs, Math.max(WINDOW_MS, 2 * latencyMs.p95));
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
      latencyMs,
      retries,
      failures,
      setting: { batchSize: decision.batchSize, concurrency: decision.concurrency },
      reason: decision.reason,
      elapsedMs: nowMs - this.#startMs,
    });
  }

  #observe(nowMs: number, windowMs: number): void {
    const { acknowledged } = this.#tally;
    while (this.#window.length > 1 && this.#window[1]!.atMs <= nowMs - windowMs) this.#window.shift();
    const [first] = this.#window;
    const elapsedMs = nowMs - first!.atMs;
    if (elapsedMs > 0) this.#vectorsPerSecond = (1000 * (acknowledged - first!.acknowledged)) / elapsedMs;
    this.#window.push({ atMs: nowMs, acknowledged });
  }

  #etaMs(nowMs: number): number | null {
    const settled = this.#tally.acknowledged + this.#tally.rejected;
    const { count } = this.#source;
    if (this.#vectorsPerSecond === 0) return null;
    if (count !== undefined) {
      return (1000 * Math.max(0, count - settled - this.#resumedFrom)) / this.#vectorsPerSecond;
    }
    const bytes = this.#source.progress?.();
    // After a resume the bytes say how much was skipped, not how much was sent.
    if (!bytes || bytes.readBytes === 0 || this.#tally.items === 0 || this.#resumedFrom > 0) return null;
    // Bytes run ahead of the acknowledgements by what is read and not yet settled.
    const share = (bytes.readBytes / bytes.totalBytes) * (settled / this.#tally.items);
    return share > 0 ? (nowMs - this.#startMs) * (1 / share - 1) : null;
  }
}
