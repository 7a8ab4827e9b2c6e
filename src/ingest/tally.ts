import type { BatchSample, Decision } from '../control/policy.js';
import type { ErrorCode } from '../core/errors.js';
import { LatencyHistogram } from './histogram.js';

/** A set-point and when it came into force, ms since the start of the load. */
export interface SettingChange extends Decision {
  readonly atMs: number;
}

/** Changes kept for the report; beyond them only the last one is. */
const MOST_SETTINGS = 1000;

/** What has happened so far, in numbers. */
export class Tally {
  /** Records met in the source: the rows read and those refused. */
  items = 0;
  acknowledged = 0;
  rejected = 0;
  /** Attempts beyond the first for a batch. */
  retries = 0;
  /** Attempts that failed, whether the batch was tried again or not. */
  failures = 0;
  bytesSent = 0;
  readonly rejectedByCode: Partial<Record<ErrorCode, number>> = {};
  readonly latencies = new LatencyHistogram();
  readonly settings: SettingChange[] = [];

  reject(code: ErrorCode): void {
    this.rejected++;
    this.rejectedByCode[code] = (this.rejectedByCode[code] ?? 0) + 1;
  }

  /** Notes an attempt: how long it took, or that it failed. */
  readonly observe = ({ outcome, startMs, endMs }: BatchSample): void => {
    if (outcome === 'ok') this.latencies.add(endMs - startMs);
    else this.failures++;
  };

  /** Notes the set-point in force if it is not the last one noted. */
  apply({ batchSize, concurrency, reason }: Decision, atMs: number): void {
    const last = this.settings.at(-1);
    if (last?.batchSize === batchSize && last.concurrency === concurrency) return;
    if (this.settings.length === MOST_SETTINGS) this.settings.pop();
    this.settings.push({ atMs, batchSize, concurrency, reason });
  }
}
