import type { Setting } from '../core/types.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import { Window } from './window.js';

/** Rows that a step of the batch adds. */
const BATCH_STEP = 64;
const DECREASE = 0.9;
/** Weight of a new round in the moving averages. */
const WEIGHT = 0.4;
/** A round slower than the mean by so many standard deviations is congestion. */
const DEVIATIONS = 2.5;
const ROUND = { batches: 4, minMs: 10 };

/**
 * Additive increase, multiplicative decrease (Chiu and Jain 1989) with the rules and constants of Vector's
 * adaptive request concurrency, and a second axis: rounds alternate between one more request in flight and
 * 64 more rows in a request. What is compared from round to round is the time that a row takes of the whole
 * load, so that a larger batch is not mistaken for a slower database.
 */
export class AimdPolicy implements Policy {
  readonly name = 'aimd';
  #setting: Setting;
  #bounds: Bounds = UNBOUNDED;
  #window: Window;
  #nowMs = 0;
  /** Of the time per row, ms; undefined before the first round. */
  #mean: number | undefined;
  #variance = 0;
  #axis: keyof Setting = 'concurrency';
  #reason = 'starting point';

  constructor(options: { readonly initial: Setting }) {
    this.#setting = options.initial;
    this.#window = this.#open(this.#setting);
  }

  get setting(): Decision {
    return { ...this.#setting, reason: this.#reason };
  }

  get best(): Setting {
    return this.#setting;
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#move(this.#setting);
  }

  observe(sample: BatchSample): void {
    this.#nowMs = sample.endMs;
    // The guard answers push-back by taking permits; to ask for them again at once would be to fight it.
    if (sample.outcome === 'backOff' || sample.outcome === 'timeOut') {
      this.#shrink('concurrency', 'the sink pushed back');
      return;
    }
    this.#window.add(sample);
    if (!this.#window.full) return;
    const { vectorsPerSecond } = this.#window.measurement();
    if (vectorsPerSecond > 0) this.#judge(1000 / vectorsPerSecond);
    this.#window = this.#open(this.#setting);
  }

  #judge(msPerRow: number): void {
    const mean = this.#mean ?? msPerRow;
    const deviation = msPerRow - mean;
    const congested = deviation >= DEVIATIONS * Math.sqrt(this.#variance) && deviation > 0;
    this.#mean = mean + WEIGHT * deviation;
    this.#variance = (1 - WEIGHT) * (this.#variance + WEIGHT * deviation * deviation);
    if (congested) {
      this.#shrink(this.#axis, 'a row took longer than usual');
    } else if (deviation <= 0) {
      this.#axis = this.#axis === 'concurrency' ? 'batchSize' : 'concurrency';
      const step = this.#axis === 'concurrency' ? 1 : BATCH_STEP;
      this.#move({ ...this.#setting, [this.#axis]: this.#setting[this.#axis] + step });
      this.#reason = 'rows took no longer than usual: a step up';
    }
  }

  #shrink(axis: keyof Setting, reason: string): void {
    this.#move({ ...this.#setting, [axis]: Math.max(1, Math.floor(this.#setting[axis] * DECREASE)) });
    this.#reason = reason;
  }

  #move(setting: Setting): void {
    const before = this.#setting;
    this.#setting = clampSetting(setting, this.#bounds);
    this.#window = this.#open(before);
  }

  #open(before: Setting): Window {
    return new Window(this.#setting, ROUND, this.#nowMs, before);
  }
}
