import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import type { Bounds } from './bounds.js';

/**
 * How one attempt ended: the sink's outcome, or `timeOut` when it gave none in time.
 * Only `ok` attempts say anything about speed.
 */
export type AttemptOutcome = 'ok' | 'permanent' | 'shrink' | 'backOff' | 'retry' | 'timeOut' | 'fatal';

/** One attempt to write one batch. A retried batch gives several samples, so waiting between them is never latency. */
export interface BatchSample {
  /** The set-point the batch was cut for. */
  readonly batchSize: number;
  /** Rows it really held: fewer at the end of the data, at a byte limit, or after a bisection. */
  readonly rows: number;
  /** Bytes of the request, as the sink counts them against its limits. */
  readonly bytes: number;
  /** Permits when it was dispatched. */
  readonly concurrency: number;
  /** Requests in flight when it was dispatched, this one included. */
  readonly inFlight: number;
  /** On the load's clock, ms. */
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: AttemptOutcome;
  /** What a `shrink` told about the sink's limits. */
  readonly limits?: { readonly maxRows?: number; readonly maxBytes?: number } | undefined;
  /** Rows not yet dispatched, where the source knows: exploring is only worth it while there are many. */
  readonly remainingRows?: number;
}

/** A setting and why it was chosen, in a few words for a person. */
export interface Decision extends Setting {
  readonly reason: string;
}

/**
 * Decides how to send, and does nothing else: a sample in, a setting out. Time comes in with the samples; a
 * policy reads no clock and no random numbers, so the same samples always give the same decisions.
 */
export interface Policy {
  readonly name: string;
  /** What to send next: may be a probe. */
  readonly setting: Decision;
  /** The best setting known so far: never a probe. */
  readonly best: Setting;
  /** What was learnt about the database's cost, once there is something. */
  readonly model?: CostModel | undefined;
  observe(sample: BatchSample): void;
  /** The envelope changed; no setting outside it will be granted. */
  limit(bounds: Bounds): void;
}
