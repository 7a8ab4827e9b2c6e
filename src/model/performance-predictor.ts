import { RandomForestRegression } from 'ml-random-forest';
import { VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import { type Aggregate, aggregateRecords } from './aggregate.js';
import { BootstrappedFit } from './bootstrap.js';
import { latencyMs, vectorsPerSecond } from './cost.js';
import { heldOutError } from './cross-validate.js';
import { FeatureEngineer } from './feature-engineer.js';
import { fitCostModel, type LatencySample } from './fit.js';
import { CompiledForest } from './forest.js';
import { checkRecord } from './records.js';

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

/** Errors of log(rate) on cells that were not fitted to. */
export interface HeldOut {
  readonly costModel: number;
  readonly withForest: number;
}

/** Fewer cells than this say nothing about what a cost model misses. */
const FEWEST_CELLS = 20;
/** The forest must lower the held-out error by this much to be heard. */
const WORTHWHILE = 0.95;
const FOREST = { nEstimators: 40, maxFeatures: 1, replacement: true, noOOB: true } as const;
const TREES = { maxDepth: 5, minNumSamples: 4 };

/**
 * Predicts the rate of one database and dimension at any setting: a cost model, corrected by a random forest trained on
 * what it misses if, and only if, cross-validation says that this lowers the error on cells it has not seen.
 */
export class PerformancePredictor {
  readonly #fit: BootstrappedFit;
  readonly #dimension: number;
  readonly #forest: CompiledForest | undefined;
  readonly #features = new FeatureEngineer();
  readonly heldOut: HeldOut | undefined;

  /**
   * Learns from records of one database and dimension. Takes tens of milliseconds; deterministic in the seed.
   * @throws VBO_ERR_ARGUMENT for a record that is none, VBO_ERR_RECORD if nothing was measured or pairs are mixed
   */
  constructor(kernels: Kernels, records: readonly BatchExecutionRecord[], seed = 1) {
    const cells = measuredCells(records);
    this.#dimension = cells[0]!.dimension;
    const random = new Random(seed);
    this.#fit = new BootstrappedFit(cells.map(sampleOf), random);
    if (cells.length < FEWEST_CELLS) return;
    const costAlone = (training: readonly Aggregate[]) => {
      const model = fitCostModel(training.map(sampleOf));
      return (cell: Aggregate) => Math.log(vectorsPerSecond(model, cell));
    };
    const withForest = (training: readonly Aggregate[]) => {
      const byCost = costAlone(training);
      const forest = this.#train(kernels, training, byCost, seed);
      return (cell: Aggregate) => byCost(cell) + forest.predict([this.#row(cell)])[0]!;
    };
    const target = (cell: Aggregate) => Math.log(cell.vectorsPerSecond);
    this.heldOut = {
      costModel: heldOutError(cells, target, costAlone, new Random(seed)),
      withForest: heldOutError(cells, target, withForest, new Random(seed)),
    };
    if (this.heldOut.withForest < WORTHWHILE * this.heldOut.costModel) {
      this.#forest = this.#train(kernels, cells, costAlone(cells), seed);
    }
  }

  /** What to expect of a setting. */
  predict(setting: Setting): PerformancePrediction {
    const miss = this.#forest ? Math.exp(this.#forest.predict([this.#row(setting)])[0]!) : 1;
    const { low, high } = this.#fit.rateInterval(setting);
    return {
      vectorsPerSecond: miss * vectorsPerSecond(this.#fit.model, setting),
      interval: { low: miss * low, high: miss * high },
      latencyMs: latencyMs(this.#fit.model, setting) / miss,
      parts: this.#forest ? ['cost model', 'forest'] : ['cost model'],
    };
  }

  #row(setting: Setting): number[] {
    return this.#features.features(setting, this.#dimension);
  }

  #train(
    kernels: Kernels,
    cells: readonly Aggregate[],
    byCost: (cell: Aggregate) => number,
    seed: number,
  ): CompiledForest {
    const forest = new RandomForestRegression({ ...FOREST, seed, treeOptions: TREES });
    forest.train(
      cells.map((cell) => this.#row(cell)),
      cells.map((cell) => Math.log(cell.vectorsPerSecond) - byCost(cell)),
    );
    return CompiledForest.from(kernels, forest);
  }
}

/** @throws VBO_ERR_ARGUMENT, VBO_ERR_RECORD */
export function measuredCells(records: readonly BatchExecutionRecord[]): Aggregate[] {
  const cells = aggregateRecords(records.map((record, i) => checkRecord(record, `records[${i}]`))).filter(
    ({ count }) => count > 0,
  );
  const pairs = new Set(cells.map(({ database, dimension }) => `${database} at ${dimension} dimensions`));
  if (pairs.size === 1) return cells;
  throw new VectorBatchError(
    'VBO_ERR_RECORD',
    `The ${records.length} records measure ${pairs.size === 0 ? 'nothing' : [...pairs].join(' and ')}; expected one database at one dimension.`,
  );
}

const sampleOf = ({ batchSize, concurrency, count, vectorsPerSecond: rate }: Aggregate): LatencySample => ({
  ...{ batchSize, concurrency, weight: count, latencyMs: (1000 * batchSize * concurrency) / rate },
});
