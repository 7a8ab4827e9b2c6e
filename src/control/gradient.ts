import type { Setting } from '../core/types.js';
import { type CostModel, serviceMs } from '../model/cost.js';
import { type Bounds, clampSetting, UNBOUNDED } from './bounds.js';
import { Knowledge } from './knowledge.js';
import type { BatchSample, Decision, Policy } from './policy.js';
import { Window } from './window.js';

/** Latency may rise to this many times the uncontended one before permits are taken back. */
const TOLERANCE = 1.5;
const GRADIENT = [0.5, 1] as const;
/** Weight of the new limit. */
const SMOOTHING = 0.5;
/** The batch reaches this share of the rate that endless batches would have. */
const ENOUGH = 0.9;
const LARGEST_STEP = 2;
const ROUND = { batches: 4, minMs: 10 };
/** What the rounds so far have taught is not worth learning from again before there are this many more of them, as a share. */
const MORE_ROUNDS = 1 / 8;

/**
 * The gradient limit of Netflix's concurrency-limits and Envoy, made fit for a batch size that moves. They
 * compare a latency with the smallest one seen; here it is compared with what the cost model, fitted to all
 * rounds so far, predicts for this batch size with nothing else in flight. The permits follow
 *
 * ```
 * gradient = clamp(1.5 * service(b) / latency, 0.5, 1)
 * permits' = permits * gradient + sqrt(permits)         smoothed by a half
 * ```
 *
 * and the batch goes, at most doubling, to the smallest size whose time per row is within a tenth of the
 * least that the model knows.
 */
export class GradientPolicy implements Policy {
  readonly name = 'gradient';
  readonly #knowledge: Knowledge;
  #setting: Setting;
  /** Permits before rounding. */
  #permits: number;
  #bounds: Bounds = UNBOUNDED;
  #window: Window;
  #nowMs = 0;
  #rounds = 0;
  #nextLesson = 1;
  #reason = 'starting point';

  constructor(options: { readonly initial: Setting; readonly prior?: CostModel }) {
    this.#setting = options.initial;
    this.#permits = options.initial.concurrency;
    this.#knowledge = new Knowledge(options.prior);
    this.#window = new Window(this.#setting, ROUND, 0, this.#setting);
  }

  get setting(): Decision {
    return { ...this.#setting, reason: this.#reason };
  }

  get best(): Setting {
    return this.#setting;
  }

  get model(): CostModel | undefined {
    return this.#knowledge.model;
  }

  limit(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#permits = Math.min(this.#permits, bounds.maxConcurrency);
    this.#move(this.#setting);
  }

  observe(sample: BatchSample): void {
    this.#nowMs = sample.endMs;
    this.#window.add(sample);
    if (!this.#window.full) return;
    const measurement = this.#window.measurement();
    if (measurement.batches > 0 && ++this.#rounds >= this.#nextLesson) {
      this.#knowledge.add(measurement);
      this.#nextLesson = this.#rounds * (1 + MORE_ROUNDS);
    }
    const { model } = this.#knowledge;
    if (model && measurement.batches > 0) this.#follow(model, measurement.latencyMs);
    else this.#move(this.#setting);
  }

  #follow(model: CostModel, latencyMs: number): void {
    const { batchSize } = this.#setting;
    const raw = (TOLERANCE * serviceMs(model, batchSize)) / latencyMs;
    const gradient = Math.min(GRADIENT[1], Math.max(GRADIENT[0], raw));
    const wanted = this.#permits * gradient + Math.sqrt(this.#permits);
    this.#permits = Math.max(1, this.#permits + SMOOTHING * (wanted - this.#permits));
    this.#reason = `latency is ${(TOLERANCE / raw).toFixed(2)} times the uncontended one`;
    this.#move({
      batchSize: Math.min(LARGEST_STEP * batchSize, Math.max(batchSize / LARGEST_STEP, enough(model))),
      concurrency: Math.floor(this.#permits),
    });
  }

  #move(setting: Setting): void {
    const before = this.#setting;
    this.#setting = clampSetting(setting, this.#bounds);
    this.#window = new Window(this.#setting, ROUND, this.#nowMs, before);
  }
}

/** The smallest power of two whose time per row is near the least. */
function enough(model: CostModel): number {
  const sizes = Array.from({ length: 16 }, (_, k) => 2 ** k);
  const msPerRow = sizes.map((size) => serviceMs(model, size) / size);
  const least = Math.min(...msPerRow);
  return sizes.find((_, k) => msPerRow[k]! * ENOUGH <= least)!;
}
