import type { Random } from '../core/random.js';
import { quantile } from '../core/statistics.js';
import type { Setting } from '../core/types.js';
import { type CostModel, latencyMs, vectorsPerSecond } from './cost.js';
import { fitCostModel, type LatencySample } from './fit.js';

/** Unknowns of a cost model. */
const UNKNOWNS = 5;
const REPLICATES = 100;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * The cost model of samples, with others that the same database might as well have led to: refits to the fitted
 * latencies times residuals drawn from all of them (residual bootstrap, Efron 1979), each residual widened by
 * sqrt(n / (n - 5)) for what the fit took of it (Stine 1985).
 */
export class BootstrappedFit {
  readonly model: CostModel;
  readonly replicates: readonly CostModel[];

  constructor(samples: readonly LatencySample[], random: Random, prior?: CostModel, replicates = REPLICATES) {
    this.model = fitCostModel(samples, prior);
    const fitted = samples.map((sample) => latencyMs(this.model, sample));
    const logs = samples.map((sample, i) => Math.log(sample.latencyMs / fitted[i]!));
    const mean = logs.reduce((sum, value) => sum + value, 0) / Math.max(1, logs.length);
    const widening = Math.sqrt(samples.length / Math.max(1, samples.length - UNKNOWNS));
    const residuals = logs.map((value) => widening * (value - mean));
    this.replicates = Array.from({ length: samples.length === 0 ? 0 : replicates }, () =>
      fitCostModel(
        samples.map((sample, i) => ({
          ...sample,
          latencyMs: fitted[i]! * Math.exp(residuals[random.integer(residuals.length)]!),
        })),
        prior,
      ),
    );
  }

  /** Range in which the rate of a setting lies with the given probability; the fit's own where nothing was measured. */
  rateInterval(setting: Setting, probability = 0.9): Interval {
    return this.interval((model) => vectorsPerSecond(model, setting), probability);
  }

  /** The same for anything that a cost model says. */
  interval(of: (model: CostModel) => number, probability = 0.9): Interval {
    if (this.replicates.length === 0) return { low: of(this.model), high: of(this.model) };
    const values = this.replicates.map(of);
    const tail = (1 - probability) / 2;
    return { low: quantile(values, tail), high: quantile(values, 1 - tail) };
  }
}
