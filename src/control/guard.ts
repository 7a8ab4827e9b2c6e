import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting } from './bounds.js';
import type { BatchSample, Decision, Policy } from './policy.js';

/** Limits that hold whatever the policy says. Every one is optional; limits learnt from refusals are added to them. */
export interface GuardOptions {
  /** Most rows in one request: the sink's limit and the caller's, whichever is smaller. */
  readonly maxBatchSize: number;
  readonly maxConcurrency: number;
  /** Most bytes in one request body. */
  readonly maxBatchBytes: number;
  /** Bytes of one row in a request body, before payloads are known. */
  readonly bytesPerRow: number;
  /** Memory that requests in flight may take, and what one row of them takes. */
  readonly memoryBytes: number;
  readonly memoryBytesPerRow: number;
}

/** On push-back the permits fall below the level that was refused, but to no less than this share, at most once per round trip. */
const DECREASE = 0.5;
/** A level that was refused is tried again after so many successes per permit; doubled each time it is refused again. */
const PATIENCE = 2;
const MOST_PATIENCE = 512;
/** Weight of a new sample in the mean bytes per row. */
const ROW_BYTES_WEIGHT = 0.2;

/**
 * The envelope every policy runs in, itself a policy. It clamps the set-point to what the sink, the memory
 * and the caller allow, learns size limits from refusals, and answers push-back by multiplicative decrease
 * and recovery of the permits, so that a policy that has gone wrong can waste time but neither flood the
 * database nor exhaust the memory. Recovery is that of TCP: doubled every round trip below the level that was
 * last refused (slow start, Jacobson 1988), one permit at a time above it. A level that is refused again and again
 * is tried ever more rarely; a single request that is pushed back shows that their number is not the cause, and
 * nothing is held against any level then.
 */
export class Guard implements Policy {
  readonly #policy: Policy;
  readonly #options: GuardOptions;
  #maxBatchSize: number;
  #maxBatchBytes: number;
  /** The longest request that was taken; 0 once one that long was refused. */
  #acceptedBytes = 0;
  #bytesPerRow: number;
  /** Permits that push-back has left. */
  #ceiling: number;
  #decreasedMs = Number.NEGATIVE_INFINITY;
  #successes = 0;
  /** The lowest level that was pushed back and has not been seen to work since. */
  #refused = Number.POSITIVE_INFINITY;
  #patience = PATIENCE;
  #bounds: Bounds;

  constructor(policy: Policy, options: GuardOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#maxBatchSize = options.maxBatchSize;
    this.#maxBatchBytes = options.maxBatchBytes;
    this.#bytesPerRow = options.bytesPerRow;
    this.#ceiling = options.maxConcurrency;
    this.#bounds = this.#envelope();
    policy.limit(this.#bounds);
  }

  get name(): string {
    return this.#policy.name;
  }

  get setting(): Decision {
    const wanted = this.#policy.setting;
    const granted = clampSetting(wanted, this.#bounds);
    const reason =
      this.#ceiling < this.#options.maxConcurrency && granted.concurrency === this.#ceiling
        ? `${wanted.reason}; the sink pushed back`
        : wanted.reason;
    return { batchSize: granted.batchSize, concurrency: granted.concurrency, reason };
  }

  get best(): Setting {
    return clampSetting(this.#policy.best, this.#bounds);
  }

  get model(): Policy['model'] {
    return this.#policy.model;
  }

  /** The envelope now, learnt limits included. */
  get bounds(): Bounds {
    return this.#bounds;
  }

  /** Most bytes one request may take now; Infinity where there is no limit. */
  get maxBatchBytes(): number {
    return this.#maxBatchBytes;
  }

  observe(sample: BatchSample): void {
    this.#learnLimits(sample);
    this.#holdPermits(sample);
    const bounds = this.#envelope();
    if (
      bounds.maxBatchSize !== this.#bounds.maxBatchSize ||
      bounds.maxConcurrency !== this.#bounds.maxConcurrency
    ) {
      this.#bounds = bounds;
      this.#policy.limit(bounds);
    }
    this.#policy.observe(sample);
  }

  limit(bounds: Bounds): void {
    this.#maxBatchSize = Math.min(this.#maxBatchSize, bounds.maxBatchSize);
    this.#ceiling = Math.min(this.#ceiling, bounds.maxConcurrency);
    this.#bounds = this.#envelope();
    this.#policy.limit(this.#bounds);
  }

  #learnLimits(sample: BatchSample): void {
    if (sample.outcome === 'ok' && sample.bytes / sample.rows > this.#bytesPerRow) {
      this.#bytesPerRow += ROW_BYTES_WEIGHT * (sample.bytes / sample.rows - this.#bytesPerRow);
    }
    if (sample.outcome === 'ok') this.#acceptedBytes = Math.max(this.#acceptedBytes, sample.bytes);
    if (sample.outcome !== 'shrink') return;
    const { maxRows, maxBytes } = sample.limits ?? {};
    if (maxRows !== undefined) this.#maxBatchSize = Math.max(1, Math.min(this.#maxBatchSize, maxRows));
    if (maxBytes !== undefined) this.#maxBatchBytes = Math.max(1, Math.min(this.#maxBatchBytes, maxBytes));
    const told = (maxRows ?? Infinity) < sample.rows || (maxBytes ?? Infinity) < sample.bytes;
    if (told) return;
    // The sink did not say how much is too much: the longest it took, or half of what it refused, is the next guess.
    if (this.#acceptedBytes >= sample.bytes) this.#acceptedBytes = 0;
    const guess = Math.max(this.#acceptedBytes, sample.bytes / 2);
    this.#maxBatchBytes = Math.max(1, Math.min(this.#maxBatchBytes, guess));
  }

  #holdPermits(sample: BatchSample): void {
    if (sample.outcome === 'backOff' || sample.outcome === 'timeOut') this.#takePermits(sample);
    else if (sample.outcome === 'ok' && this.#ceiling < this.#options.maxConcurrency) this.#givePermits();
  }

  #takePermits(sample: BatchSample): void {
    this.#successes = 0;
    // Requests sent before the last decrease say nothing about the permits after it.
    if (sample.startMs < this.#decreasedMs) return;
    this.#decreasedMs = sample.endMs;
    const inUse = clampSetting(this.#policy.setting, this.#bounds).concurrency;
    if (inUse === 1) {
      this.#refused = Number.POSITIVE_INFINITY;
      this.#patience = PATIENCE;
    } else {
      this.#patience = inUse < this.#refused ? PATIENCE : Math.min(MOST_PATIENCE, 2 * this.#patience);
      this.#refused = Math.min(this.#refused, inUse);
    }
    const accepted = Math.max(sample.inFlight - 1, Math.floor(inUse * DECREASE));
    this.#ceiling = Math.max(1, Math.min(accepted, inUse - 1));
  }

  #givePermits(): void {
    const isBelow = this.#ceiling === this.#refused - 1;
    if (++this.#successes < (isBelow ? this.#patience : 1) * this.#ceiling) return;
    this.#successes = 0;
    if (this.#ceiling >= this.#refused) this.#refused = Number.POSITIVE_INFINITY;
    const next = isBelow ? this.#refused : Math.min(2 * this.#ceiling, this.#refused - 1);
    this.#ceiling = Math.min(next, this.#options.maxConcurrency);
  }

  #envelope(): Bounds {
    const { memoryBytes, memoryBytesPerRow } = this.#options;
    return {
      maxBatchSize: Math.max(
        1,
        Math.min(this.#maxBatchSize, Math.floor(this.#maxBatchBytes / this.#bytesPerRow)),
      ),
      maxConcurrency: this.#ceiling,
      maxRowsInFlight: Math.max(1, Math.floor(memoryBytes / memoryBytesPerRow)),
    };
  }
}
