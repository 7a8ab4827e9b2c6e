import { Random } from '../core/random.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import { BootstrappedFit } from './bootstrap.js';
import { latencyMs, vectorsPerSecond } from './cost.js';
import { fitCostModel } from './fit.js';
import { measuredCells, sampleOf } from './measured-cells.js';
import type { LogRate } from './pair-fit.js';
import { type HeldOut, residualForest } from './residual-forest.js';

/** A rate, and what it rests on. */
export interface PerformancePrediction {
  readonly vectorsPerSecond: number;
  /** Range of the rate with a probability of 90 %, by bootstrap of the cost model. */
  readonly interval: { readonly low: number; readonly high: number };
  /** From sending a request to its acknowledgement, ms. */
  readonly latencyMs: number;
  /** Who spoke: the cost model, and the forest where it lowers the held-out error. */
  readonly parts: readonly ('cost model' | 'forest')[];
}

/**
 * Predicts the rate of one database and dimension at any setting: a cost model, corrected by a random forest trained on
 * what it misses if, and only if, cross-validation says that this lowers the error on cells it has not seen.
 */
export class PerformancePredictor {
  readonly #fit: BootstrappedFit;
  readonly #correction: LogRate | undefined;
  readonly heldOut: HeldOut | undefined;

  /**
   * Learns from records of one database and dimension. Takes tens of milliseconds; deterministic in the seed.
   * @throws VBO_ERR_ARGUMENT for a record that is none, VBO_ERR_RECORD if nothing was measured or pairs are mixed
   */
  constructor(kernels: Kernels, records: readonly BatchExecutionRecord[], seed = 1) {
    const cells = measuredCells(records);
    this.#fit = new BootstrappedFit(cells.map(sampleOf), new Random(seed));
    const { heldOut, correction } = residualForest(
      kernels,
      cells,
      (training) => {
        const model = fitCostModel(training.map(sampleOf));
        return (setting) => Math.log(vectorsPerSecond(model, setting));
      },
      seed,
    );
    this.heldOut = heldOut;
    this.#correction = correction;
  }

  /** What to expect of a setting. */
  predict(setting: Setting): PerformancePrediction {
    const miss = this.#correction ? Math.exp(this.#correction(setting)) : 1;
    const { low, high } = this.#fit.rateInterval(setting);
    return {
      vectorsPerSecond: miss * vectorsPerSecond(this.#fit.model, setting),
      interval: { low: miss * low, high: miss * high },
      latencyMs: latencyMs(this.#fit.model, setting) / miss,
      parts: this.#correction ? ['cost model', 'forest'] : ['cost model'],
    };
  }
}
