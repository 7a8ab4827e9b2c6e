import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';

/** A measured setting. */
export interface TunedCell extends Setting {
  /** Median over its rounds; 0 if it was refused. */
  readonly vectorsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  readonly rounds: number;
  /** Took part in the final rounds. */
  readonly isFinalist: boolean;
  /** Why it cannot be had. */
  readonly error: string | null;
}

/** What `tune` found out. */
export interface TuneReport {
  /** The sink's URL without secrets. */
  readonly sink: string;
  readonly database: string;
  readonly dimension: number;
  /** The smallest setting that cannot be told from the fastest. */
  readonly best: Setting;
  /** Median rate of `best` in the final rounds. */
  readonly vectorsPerSecond: number;
  /** What it is compared with: 128 vectors per request, 1 in flight. */
  readonly baseline: Setting & { readonly vectorsPerSecond: number };
  /** Median over the final rounds of `best` over the baseline in the same round. */
  readonly gain: number;
  /** The baseline is as good as anything: there is nothing to tune. */
  readonly isNothingToGain: boolean;
  /** The same in words. */
  readonly verdict: string;
  /** Settings that cannot be told from `best`, smallest first. */
  readonly asGood: readonly Setting[];
  readonly cells: readonly TunedCell[];
  readonly grid: { readonly batchSizes: readonly number[]; readonly concurrencies: readonly number[] };
  /** Share of the grid's cells that were measured. */
  readonly shareOfGrid: number;
  /** Fitted to the measured cells. */
  readonly model: CostModel;
  readonly seconds: number;
}

/** Where a tuning is. */
export interface TuneProgress {
  /** Trials done, and planned in all. */
  readonly done: number;
  readonly total: number;
  readonly setting: Setting;
  readonly elapsedMs: number;
  readonly etaMs: number;
}

/** A trial as an execution record, but for the time of day. */
export type TrialRecord = BatchExecutionRecord;
