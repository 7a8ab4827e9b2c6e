import { RandomForestRegression } from 'ml-random-forest';
import { Random } from '../core/random.js';
import type { Setting } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Aggregate } from './aggregate.js';
import { heldOutError, WORTHWHILE } from './cross-validate.js';
import { FeatureEngineer } from './feature-engineer.js';
import { CompiledForest } from './forest.js';
import { NODES, settingAt } from './lattice.js';
import type { ForestTrainer, LogRate } from './pair-fit.js';

/** Errors of log(rate) on cells that were not fitted to. */
export interface HeldOut {
  readonly costModel: number;
  readonly withForest: number;
}

/** Fewer cells than this say nothing about what a cost model misses. */
const FEWEST_CELLS = 20;
/** Where the cost model misses less than this of log(rate), nothing is left to learn. */
const LEAST_MISS = 0.05;
/**
 * On the cells of a right cost model with 15 % noise, two dozen of them, the forest's share of the held-out error was
 * 0.74 to 1.09 in twelve draws: this is beyond chance.
 */
const BEYOND_CHANCE = 0.7;
const FOLDS = 5;
const FOREST = { maxFeatures: 1, replacement: true, noOOB: true } as const;
/** Trees that correct, and fewer that are judged. */
const HEARD_TREES = 40;
const JUDGED_TREES = 10;
const TREES = { maxDepth: 5, minNumSamples: 4 };

const features = new FeatureEngineer();

/**
 * Trains a random forest on what a cost model misses of the cells of one database and dimension. Takes tens of
 * milliseconds; deterministic in the seed. `dispose` gives the forest's memory back, and ends the correction with it.
 * @param learnCost fits the cost model to some of the cells
 * @param relevance how much the error at a cell counts. Default: as much as at any other
 * @returns the held-out errors, where there are cells enough and something is missed; and what to add to log(rate), if and only if the forest
 *   lowers the error on cells it has not seen to the share `worthwhile`
 */
export function residualForest(
  kernels: Kernels,
  cells: readonly Aggregate[],
  learnCost: (training: readonly Aggregate[]) => LogRate,
  seed: number,
  relevance?: (cell: Aggregate) => number,
  worthwhile = WORTHWHILE,
): { readonly heldOut?: HeldOut; readonly correction?: LogRate; dispose(): void } {
  const compiled: CompiledForest[] = [];
  const dispose = () => {
    for (const forest of compiled.splice(0)) forest.dispose();
  };
  if (cells.length < FEWEST_CELLS) return { dispose };
  const { dimension } = cells[0]!;
  const row = (setting: Setting) => features.features(setting, dimension);
  const train = (training: readonly Aggregate[], byCost: LogRate, nEstimators: number): LogRate => {
    const forest = new RandomForestRegression({ ...FOREST, nEstimators, seed, treeOptions: TREES });
    forest.train(
      training.map(row),
      training.map((cell) => Math.log(cell.vectorsPerSecond) - byCost(cell)),
    );
    const own = CompiledForest.from(kernels, forest);
    compiled.push(own);
    return (setting) => own.predict([row(setting)])[0]!;
  };
  const target = (cell: Aggregate) => Math.log(cell.vectorsPerSecond);
  const withForest = (training: readonly Aggregate[]): LogRate => {
    const byCost = learnCost(training);
    const missed = train(training, byCost, JUDGED_TREES);
    return (setting) => byCost(setting) + missed(setting);
  };
  const costModel = heldOutError(cells, target, learnCost, new Random(seed), FOLDS, relevance);
  if (costModel < LEAST_MISS) return { dispose };
  const heldOut = {
    costModel,
    withForest: heldOutError(cells, target, withForest, new Random(seed), FOLDS, relevance),
  };
  dispose();
  if (heldOut.withForest >= worthwhile * heldOut.costModel) return { heldOut, dispose };
  return { heldOut, correction: train(cells, learnCost(cells), HEARD_TREES), dispose };
}

/** What a forest adds to log(rate) at every node of the lattice, where it is worth it. */
export const forestTrainer =
  (kernels: Kernels, seed = 1): ForestTrainer =>
  (cells, learnCost, relevance) => {
    const { correction, dispose } = residualForest(kernels, cells, learnCost, seed, relevance, BEYOND_CHANCE);
    const values = correction && Array.from({ length: NODES }, (_, node) => correction(settingAt(node)));
    dispose();
    return values;
  };
