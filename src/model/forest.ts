import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION } from '../core/limits.js';
import {
  type FeatureRows,
  type FlatForest,
  flattenForest,
  forestScratchBytes,
  predictForest,
} from '../kernels/forest.js';
import type { Kernels } from '../kernels/kernels.js';
import { parseForest } from './forest-json.js';

/** `rows` x `features` numbers, row-major in one array or an array per row. NaN lies above every threshold. */
export type FeatureTable = Float64Array | readonly ArrayLike<number>[];

export interface ForestOptions {
  /** Numbers per row. Default: what the trained instance saw; of JSON, the fewest that its trees can do with. */
  features?: number;
}

/** Mean and population variance over the trees, per row. */
export interface ForestPrediction {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * A trained `ml-random-forest` regression in the kernels' memory. Its predictions have the bits of the library's own:
 * thresholds keep all of their 53 bits and the trees are added in their order.
 */
export class CompiledForest {
  readonly features: number;
  readonly trees: number;
  readonly #kernels: Kernels;
  #forest: FlatForest | undefined;

  private constructor(kernels: Kernels, forest: FlatForest, features: number) {
    this.#kernels = kernels;
    this.#forest = forest;
    this.trees = forest.trees;
    this.features = features;
  }

  /**
   * Compiles a `RandomForestRegression` that predicts the mean, its `toJSON()`, or that written and parsed again. A
   * threshold that JSON holds as `null` was Infinity: no other one that is not finite splits anything. (The library's
   * own `load` takes it for 0.)
   * @throws VBO_ERR_ARGUMENT saying what of the model is wrong, and where; VBO_ERR_MEMORY.
   */
  static from(kernels: Kernels, model: unknown, options: ForestOptions = {}): CompiledForest {
    const parsed = parseForest(model);
    const features = checkNumber(options.features ?? parsed.features, 'features', {
      min: parsed.minFeatures,
      max: MAX_DIMENSION,
      integer: true,
    });
    return new CompiledForest(kernels, flattenForest(kernels.arena, parsed.trees), features);
  }

  /**
   * The mean over the trees, one per row.
   * @throws VBO_ERR_ARGUMENT for rows of another length than `features`, VBO_ERR_MEMORY, VBO_ERR_CLOSED.
   */
  predict(rows: FeatureTable): Float64Array {
    return this.#run(rows, false).mean;
  }

  /**
   * The mean and the population variance over the trees, one of each per row. The variance is the model's own
   * uncertainty: how far its trees disagree. It is exact to about 2 n^2 2^-53 for n trees.
   * @throws as {@link predict}.
   */
  predictWithVariance(rows: FeatureTable): ForestPrediction {
    return this.#run(rows, true);
  }

  /** Gives the memory back. The forest cannot be used afterwards. */
  dispose(): void {
    if (this.#forest) this.#kernels.arena.free(this.#forest.span);
    this.#forest = undefined;
  }

  #run(table: FeatureTable, withVariance: boolean): ForestPrediction {
    const forest = this.#forest;
    if (!forest)
      throw new VectorBatchError('VBO_ERR_CLOSED', 'The compiled forest was used after dispose().');
    const { features } = this;
    const rows = countRows(table, features);
    const { arena } = this.#kernels;
    const sourceBytes = 8 * rows * features;
    const scratchBytes = forestScratchBytes(forest);
    const span = arena.allocate(sourceBytes + scratchBytes + 16 * rows);
    try {
      const source: FeatureRows = { pointer: span.pointer, rows, strideBytes: 8 * features };
      copyRows(table, features, arena.float64(source.pointer, rows * features));
      const scratch = { pointer: source.pointer + sourceBytes };
      const means = { pointer: scratch.pointer + scratchBytes };
      const variances = { pointer: means.pointer + 8 * rows };
      for (const call of predictForest(forest, source, scratch, means, withVariance ? variances : null)) {
        this.#kernels.call(call);
      }
      return {
        mean: new Float64Array(arena.float64(means.pointer, rows)),
        variance: new Float64Array(arena.float64(variances.pointer, withVariance ? rows : 0)),
      };
    } finally {
      arena.free(span);
    }
  }
}

function countRows(table: FeatureTable, features: number): number {
  const refuse = (what: string, expected: string): never => {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `${what}; expected ${expected}.`, {
      details: { argument: 'rows', features },
    });
  };
  if (table instanceof Float64Array) {
    if (table.length % features === 0) return table.length / features;
    return refuse(`rows has ${table.length} numbers`, `a multiple of ${features}`);
  }
  if (!Array.isArray(table))
    return refuse(`rows is ${describe(table)}`, 'a Float64Array or an array of rows');
  for (const [k, row] of table.entries()) {
    if (row?.length === features) continue;
    const what = row?.length === undefined ? `is ${describe(row)}` : `has ${row.length} numbers`;
    refuse(`rows[${k}] ${what}`, `${features}`);
  }
  return table.length;
}

function copyRows(table: FeatureTable, features: number, target: Float64Array): void {
  if (table instanceof Float64Array) {
    target.set(table);
    return;
  }
  let at = 0;
  for (const row of table) for (let k = 0; k < features; k++) target[at++] = row[k]!;
}
