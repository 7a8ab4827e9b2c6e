import { median } from '../core/statistics.js';
import type { Setting } from '../core/types.js';
import { sameSetting } from './bounds.js';
import type { BatchSample } from './policy.js';

/** How long one setting is measured: by count and time together, so that neither fast nor slow sinks fool it. */
export interface WindowLength {
  /** Fewest batches, if they also took `minMs`. */
  readonly batches: number;
  /** As long as the mean is not known to 3 %, up to so many. Default: `batches`. */
  readonly mostBatches?: number;
  readonly minMs: number;
  /** Two batches slower than this end the window: a probe that is clearly worse is not worth more. */
  readonly hopelessBelow?: number;
}

/** What a setting achieved. */
export interface Measurement extends Setting {
  /** Steady rate; 0 when the setting could not be measured (refused, or outside the envelope). */
  readonly vectorsPerSecond: number;
  /** Typical time of an attempt, ms. */
  readonly latencyMs: number;
  readonly batches: number;
}

/** Two batches this long together are enough: slow sinks have little relative noise and much to lose. */
const SLOW_MS = 1500;
const MAX_BATCHES = 256;
/** So many batches of another kind: the setting does not come about (payloads at a byte limit, say), and waiting is no use. */
const MOST_FOREIGN = 64;
/** A batch cut short by more than this tells about another size. */
const MIN_FILL = 0.75;
/** A standard error of the mean that needs no more batches. */
const PRECISE = 0.03;
/** A latency above so many medians is a stall and counts as this many. */
const STALL = 2.5;

/**
 * Collects the batches of one setting and turns them into a rate by Little's law: requests in flight x rows /
 * time of a request. Every batch is timed on its own, so unlike rows over wall time it needs no idle edge
 * around the window, and bunched acknowledgements do not bias it. Stalls are cut off, so that one in a
 * handful of batches does not decide.
 */
export class Window {
  readonly setting: Setting;
  readonly #length: WindowLength;
  readonly #openedMs: number;
  /** The first batches run beside requests of another size, or before all permits are in use. */
  #unsettled: number;
  readonly #latenciesMs: number[] = [];
  /** Time one row took of the whole load: latency / (rows x in flight). */
  readonly #msPerRow: number[] = [];
  /** Batches since it opened that did not belong here. */
  #foreign = 0;
  #totalMs = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  /** @param before the setting before this one: its requests are still in flight */
  constructor(setting: Setting, length: WindowLength, openedMs: number, before: Setting) {
    this.setting = setting;
    this.#length = length;
    this.#openedMs = openedMs;
    const ofOtherSize = before.batchSize === setting.batchSize ? 0 : before.concurrency - 1;
    this.#unsettled = ofOtherSize + Math.max(0, setting.concurrency - before.concurrency);
  }

  /** An empty window for the same setting. */
  again(openedMs: number): Window {
    return new Window(this.setting, this.#length, openedMs, this.setting);
  }

  /** Takes a sample if it belongs here; says whether it did. */
  add(sample: BatchSample): boolean {
    if (sample.outcome !== 'ok' || sample.startMs < this.#openedMs) return false;
    if (!sameSetting(sample, this.setting) || sample.rows < MIN_FILL * sample.batchSize) {
      this.#foreign++;
      return false;
    }
    if (this.#unsettled > 0) {
      this.#unsettled--;
      return true;
    }
    const latencyMs = Math.max(1e-6, sample.endMs - sample.startMs);
    this.#latenciesMs.push(latencyMs);
    this.#msPerRow.push(latencyMs / (sample.rows * sample.inFlight));
    this.#totalMs += latencyMs;
    this.#firstMs = Math.min(this.#firstMs, sample.startMs);
    this.#lastMs = Math.max(this.#lastMs, sample.endMs);
    return true;
  }

  get full(): boolean {
    const batches = this.#latenciesMs.length;
    if (batches >= MAX_BATCHES || this.#foreign > MOST_FOREIGN) return true;
    const wanted = Math.max(this.#length.batches, this.setting.concurrency);
    const { hopelessBelow } = this.#length;
    if (hopelessBelow && batches >= 2 && 1000 / meanWithoutStalls(this.#msPerRow) < hopelessBelow)
      return true;
    if (batches >= 2 && this.#totalMs >= SLOW_MS * this.setting.concurrency) return true;
    if (batches < wanted || this.#lastMs - this.#firstMs < this.#length.minMs) return false;
    return batches >= (this.#length.mostBatches ?? 0) || relativeError(this.#msPerRow) <= PRECISE;
  }

  measurement(): Measurement {
    const batches = this.#latenciesMs.length;
    return {
      ...this.setting,
      batches,
      latencyMs: meanWithoutStalls(this.#latenciesMs),
      vectorsPerSecond: batches === 0 ? 0 : 1000 / meanWithoutStalls(this.#msPerRow),
    };
  }
}

/** Mean of the values, none counted as more than {@link STALL} medians (a one-sided winsorized mean). */
function meanWithoutStalls(values: readonly number[]): number {
  const most = STALL * median(values);
  return values.reduce((sum, value) => sum + Math.min(value, most), 0) / Math.max(1, values.length);
}

/** Standard error of the mean of the values, over the mean. */
function relativeError(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length) / mean;
}
