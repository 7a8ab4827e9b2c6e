import type { ErrorCode } from '../core/errors.js';
import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import type { RejectedRecord } from './ports.js';
import type { SettingChange } from './tally.js';

/** What became of a load. A load that fails has one too, as far as it came: `error.details.report`. */
export interface IngestReport {
  /** The sink's URL without secrets. */
  sink: string;
  policy: string;
  /** Records met in the source. After a load that ended well: `acknowledged + rejected`. */
  items: number;
  /** Records the sink has confirmed. */
  acknowledged: number;
  /** Records in the dead letters. */
  rejected: number;
  rejectedByCode: Partial<Record<ErrorCode, number>>;
  /** The first rejections, without their vectors. */
  firstRejected: readonly RejectedRecord[];
  /** The dead-letter file, if there was anything to write. */
  deadLetters: string | null;
  /** Position the load was resumed from. */
  resumedFrom: number;
  /** From the call to the end of the sink's `finish()`. */
  seconds: number;
  /** Acknowledged over `seconds`. */
  vectorsPerSecond: number;
  /** The setting the policy held to be best at the end. */
  best: Setting;
  /** Every set-point that was in force, probes included. */
  settings: readonly SettingChange[];
  /** Of the attempts that were acknowledged, ms. */
  latencyMs: { p50: number; p95: number; p99: number };
  bytesSent: number;
  /** Peak resident memory of the process during the load. */
  peakRssBytes: number;
  /** Attempts beyond the first for a batch. */
  retries: number;
  /** Whether the sink's own count grew by what it acknowledged; null where it cannot tell, or the load failed. */
  reconciled: boolean | null;
  /** What was learnt of the database's cost; null if nothing was. */
  model: CostModel | null;
  warnings: readonly string[];
}
