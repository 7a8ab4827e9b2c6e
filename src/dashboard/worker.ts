import { expose, transfer } from 'comlink';
import { VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import { Kernels } from '../kernels/kernels.js';
import { vectorsPerSecond } from '../model/cost.js';
import { PerformanceModel } from '../model/performance.js';
import { profileOf } from '../model/profiles.js';
import {
  type BatchSizeRecommendation,
  type BatchSizeRequest,
  OptimalBatchSizeCalculator,
} from '../optimizer/batch-size-calculator.js';
import type { CostSurface, SurfaceAxes } from '../optimizer/surface.js';

declare const KERNELS_URL: string;

const model = new PerformanceModel();
const untaught = new PerformanceModel();
const calculator = Kernels.open(async () => {
  const answer = await fetch(new URL(KERNELS_URL, import.meta.url));
  if (!answer.ok) throw new VectorBatchError('VBO_ERR_KERNELS', `The kernels answer ${answer.status}.`);
  return answer.arrayBuffer();
}).then((kernels) => new OptimalBatchSizeCalculator({ kernels, model }));

/** What the model says of a record's setting, with what the service has taught it and without. */
export interface Expectation {
  readonly taught: number;
  readonly prior: number;
}

export type Explored =
  | { readonly recommendation: BatchSizeRecommendation; readonly surface: CostSurface }
  | { readonly refusal: string };

/** The page's computing: the library's own model and kernels, off the main thread. */
const engine = {
  /** Takes over what the service has learnt. @throws VBO_ERR_MODEL */
  teach(state: unknown): void {
    model.load(state);
  },

  /** A recommendation and the surface it was found on; a load that cannot be done is an answer too. */
  async explore(request: BatchSizeRequest, axes: SurfaceAxes): Promise<Explored> {
    try {
      const recommendation = await (await calculator).calculateOptimalBatchSize(request);
      const surface = await (await calculator).costSurface(request, axes);
      return transfer({ recommendation, surface }, [surface.score.buffer]);
    } catch (error) {
      if (error instanceof VectorBatchError && error.code !== 'VBO_ERR_KERNELS')
        return { refusal: error.message };
      throw error;
    }
  },

  /** The score (see `CostSurface`) of one setting. */
  async scoreAt(request: BatchSizeRequest, { batchSize, concurrency }: Setting): Promise<number> {
    const axes = { batchSizes: [batchSize], concurrencies: [concurrency] };
    return (await (await calculator).costSurface(request, axes)).score[0]!;
  },

  /** The rates, vectors per second, that are expected at each record's setting; null for an unknown database. */
  predict(records: readonly BatchExecutionRecord[]): (Expectation | null)[] {
    return records.map(({ database_type, vector_dimension, batch_size, concurrency }) => {
      try {
        const profile = profileOf(database_type);
        const at = (by: PerformanceModel) =>
          vectorsPerSecond(by.predict(profile, vector_dimension).cost, {
            batchSize: batch_size,
            concurrency,
          });
        return { taught: at(model), prior: at(untaught) };
      } catch {
        return null;
      }
    });
  },
};

export type Engine = typeof engine;

expose(engine);
