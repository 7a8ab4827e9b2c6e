import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import type { ModelGuidedPolicy } from './model-guided.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import { Window } from './window.js';

/** Time that the watched policy may have cost so far, as a share of all time. */
const REGRET = 0.05;
/** It is let in when it could cost so many requests of the reference's setting and stay within its allowance. */
const STAKE = 8;
/** The watched policy may go so far above the reference's setting, and below, on either axis. */
const ABOVE = 2;
const BELOW = 4;
/** What the reference achieves is measured so long before, and again after so many batches of the watched policy. */
const YARDSTICK = { batches: 16, minMs: 50 };
const TERM_BATCHES = 512;

/**
 * The guard's answer to a policy that cannot be trusted (a learned one, or a user's own). A reference, the model-guided
 * policy, looks for the best setting first, and what it achieves there is the yardstick. Then the watched policy
 * is in charge, within a factor of the reference's setting, on an allowance: it is charged all
 * time that passes, less the time that the reference would have taken for the rows stored in it, and when that
 * passes a twentieth of the load's time, the reference takes over until there is allowance again. So the
 * worst policy costs about a twentieth, and one that is better than the reference is never interrupted but for
 * the yardstick.
 */
export class Watchdog implements Policy {
  readonly name: string;
  readonly #watched: Policy;
  readonly #reference: ModelGuidedPolicy;
  #bounds: Bounds = UNBOUNDED;
  #isWatchedInCharge = false;
  /** The reference's steady setting being measured. */
  #window: Window | undefined;
  /** What the reference takes for one row of the load, and for a request, ms; 0 before it is known. */
  #msPerRow = 0;
  #requestMs = 0;
  /** What the watched policy has cost so far, and what time may have to be added to that. */
  #lostMs = 0;
  #openMs = 0;
  /** When the last attempt ended, and whether a batch that failed may be waiting. */
  #nowMs = 0;
  #isWaiting = false;
  #term = 0;
  #startMs: number | undefined;
  #changedMs = 0;
  /** Since the last change of hands, nothing has come back that was sent after it. */
  #isChanging = false;

  constructor(watched: Policy, reference: ModelGuidedPolicy) {
    this.name = watched.name;
    this.#watched = watched;
    this.#reference = reference;
  }

  get setting(): Decision {
    if (this.#isWatchedInCharge) {
      const wanted = this.#watched.setting;
      return { ...this.#leash(wanted), reason: wanted.reason };
    }
    const { setting } = this.#reference;
    return { ...setting, reason: `the reference: ${setting.reason}` };
  }

  get best(): Setting {
    return this.#isWatchedInCharge ? this.#leash(this.#watched.best) : this.#reference.best;
  }

  get model(): Policy['model'] {
    return this.#reference.model;
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#reference.limit(bounds);
    this.#limitWatched();
  }

  observe(sample: BatchSample): void {
    this.#startMs ??= sample.startMs;
    this.#charge(sample);
    // Batches sent before the last change of hands are the other's.
    if (sample.startMs < this.#changedMs) return;
    this.#isChanging = false;
    if (this.#isWatchedInCharge) this.#watch(sample);
    else this.#refer(sample);
  }

  /**
   * Charges the time that has passed since the last attempt ended, less what the reference would have taken for what was
   * stored in it. By the clock, not by the time of the attempts: a batch that was pushed back holds its permit while
   * it waits. That goes on after a change of hands, until all that the watched policy sent has come back.
   */
  #charge({ startMs, endMs, inFlight, rows, outcome }: BatchSample): void {
    const gapMs = inFlight === 1 ? Math.max(0, startMs - this.#nowMs) : 0;
    // Where no batch waits to be sent again, the source had nothing to send, and nobody is to blame for that.
    const idleMs = this.#isWaiting ? 0 : gapMs;
    this.#isWaiting = outcome !== 'ok' || (this.#isWaiting && gapMs === 0);
    this.#openMs += endMs - this.#nowMs - idleMs - (outcome === 'ok' ? rows * this.#msPerRow : 0);
    this.#nowMs = endMs;
    if (!this.#isWatchedInCharge && !this.#isChanging && startMs >= this.#changedMs) return;
    this.#lostMs += this.#openMs;
    this.#openMs = 0;
  }

  #watch(sample: BatchSample): void {
    this.#watched.observe(sample);
    const spent = this.#lostMs > REGRET * (sample.endMs - this.#startMs!);
    if (spent || ++this.#term >= TERM_BATCHES) this.#handOver(false, sample.endMs);
  }

  #refer(sample: BatchSample): void {
    const reference = this.#reference;
    reference.observe(sample);
    if (!reference.isSettled) {
      this.#window = undefined;
      return;
    }
    this.#window ??= new Window(reference.best, YARDSTICK, sample.endMs, reference.best);
    this.#window.add(sample);
    if (!this.#window.full) return;
    const { vectorsPerSecond, latencyMs, batches } = this.#window.measurement();
    this.#window = undefined;
    if (batches === 0) return;
    this.#msPerRow = 1000 / vectorsPerSecond;
    this.#requestMs = latencyMs;
    const allowanceMs = REGRET * (sample.endMs - this.#startMs!) - this.#lostMs;
    if (allowanceMs >= STAKE * this.#requestMs) this.#handOver(true, sample.endMs);
  }

  #handOver(toWatched: boolean, nowMs: number): void {
    this.#isWatchedInCharge = toWatched;
    this.#changedMs = nowMs;
    this.#isChanging = true;
    this.#openMs = 0;
    this.#window = undefined;
    this.#term = 0;
    // What it gained does not buy it the right to lose more later.
    this.#lostMs = Math.max(0, this.#lostMs);
    this.#limitWatched();
  }

  /** The watched policy is told its upper bounds as if they were the envelope. */
  #limitWatched(): void {
    const { batchSize, concurrency } = this.#reference.best;
    const { maxBatchSize, maxConcurrency, maxRowsInFlight } = this.#bounds;
    this.#watched.limit({
      maxBatchSize: Math.min(maxBatchSize, ABOVE * batchSize),
      maxConcurrency: Math.min(maxConcurrency, ABOVE * concurrency),
      maxRowsInFlight,
    });
  }

  #leash(wanted: Setting): Setting {
    const { batchSize, concurrency } = this.#reference.best;
    const within = (value: number, near: number) => Math.min(ABOVE * near, Math.max(near / BELOW, value));
    return clampSetting(
      {
        batchSize: within(wanted.batchSize, batchSize),
        concurrency: within(wanted.concurrency, concurrency),
      },
      this.#bounds,
    );
  }
}
