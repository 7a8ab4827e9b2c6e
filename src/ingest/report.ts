import type { Guard } from '../control/guard.js';
import type { ErrorCode } from '../core/errors.js';
import type { Setting } from '../core/types.js';
import { formatCount } from '../core/units.js';
import type { CostModel } from '../model/cost.js';
import { beginningOf } from './envelope.js';
import type { LedgerState } from './ledger-state.js';
import type { ResolvedIngestOptions } from './options.js';
import type { RejectedRecord, Sink, Source } from './ports.js';
import type { SettingChange, Tally } from './tally.js';

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
  /** Records that earlier runs of a resumed load have settled; all other numbers are this run's. */
  resumedFrom: number;
  /** What those runs made of them. */
  before: { acknowledged: number; rejected: number };
  /** The ledger to resume from, if there is one. */
  ledger: string | null;
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
  /** Whether the sink's own count grew by what it acknowledged, earlier runs included; null where it cannot tell, or the load failed. */
  reconciled: boolean | null;
  /** What was learnt of the database's cost; null if nothing was. */
  model: CostModel | null;
  warnings: readonly string[];
}

/** Everything a report is made of. */
export interface Outcome {
  readonly source: Source;
  readonly sink: Sink;
  readonly options: ResolvedIngestOptions;
  readonly tally: Tally;
  readonly guard: Guard | undefined;
  readonly past: LedgerState | undefined;
  readonly firstRejected: readonly RejectedRecord[];
  readonly seconds: number;
  readonly peakRssBytes: number;
  readonly reconciled: boolean | null;
  readonly warnings: readonly string[];
}

export function reportOf(outcome: Outcome): IngestReport {
  const { source, sink, options, tally, guard, past, seconds } = outcome;
  const { items, acknowledged, rejected, rejectedByCode, retries, bytesSent, latencies, settings } = tally;
  const before = { acknowledged: past?.stored.size ?? 0, rejected: past?.rejected.size ?? 0 };
  const hasLetters = rejected > 0 || past?.letters !== undefined;
  const warnings = [...outcome.warnings];
  if (rejected > 0 && options.deadLetters === undefined) {
    warnings.push(
      `${formatCount(rejected)} rejected records were not written down: the load has no dead-letter file.`,
    );
  }
  return {
    sink: sink.name,
    policy: options.policy,
    ...{ items, acknowledged, rejected, rejectedByCode, firstRejected: outcome.firstRejected },
    deadLetters: hasLetters ? (options.deadLetters ?? null) : null,
    ...{ resumedFrom: before.acknowledged + before.rejected, before },
    ledger: options.ledger ?? null,
    seconds,
    vectorsPerSecond: seconds > 0 ? acknowledged / seconds : 0,
    best: guard?.best ?? options.fixed ?? beginningOf(source, sink, options).initial,
    settings,
    latencyMs: {
      p50: latencies.percentile(0.5),
      p95: latencies.percentile(0.95),
      p99: latencies.percentile(0.99),
    },
    ...{ bytesSent, peakRssBytes: outcome.peakRssBytes, retries, reconciled: outcome.reconciled },
    model: guard?.model ?? null,
    warnings,
  };
}
