import { checkNumber, checkOneOf, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_DIMENSION, MAX_ITEMS } from '../core/limits.js';
import { OBJECTIVES, type Objective, type Setting, type SystemResources } from '../core/types.js';
import { rateInterval } from '../model/confidence.js';
import { type CostModel, vectorsPerSecond } from '../model/cost.js';
import { IN_FLIGHT_SHARE } from '../model/memory.js';
import type { ModelState } from '../model/model-state.js';
import { correctionAt } from '../model/pair-fit.js';
import type { Prediction, TrainingReport } from '../model/performance.js';
import {
  type DatabaseProfile,
  type RequestLimits,
  requestBytes,
  usefulConcurrency,
  wireBytesPerVector,
} from '../model/profile.js';
import { profileOf } from '../model/profiles.js';
import { type Alternative, alternativesTo, predictedOf } from './alternatives.js';
import { fieldsOf } from './arguments.js';
import { type OptimizerContext, type ResolvedContext, resolveContext } from './context.js';
import { explainRecommendation } from './explanation.js';
import { frontOf } from './front.js';
import { type BindingConstraint, type SearchTask, searchSetting } from './search.js';
import { type CostSurface, type SurfaceAxes, surfaceOf } from './surface.js';

export interface BatchSizeRequest {
  /** Vectors to load, 1 .. 1e13. */
  itemCount: number;
  /** Components of a vector, 1 .. 65,536. */
  vectorDimension: number;
  /** Name or alias of a profile in `model/profiles.ts`. */
  databaseType: string;
  /** Of the machine that runs the load: memory 1 .. 1e9 MB, cores 1 .. 4096, bandwidth above 0 to 1e9 MB/s. */
  systemResources: SystemResources;
  /** Default `performance`. */
  objective?: Objective;
}

export interface BatchSizeRecommendation {
  /** Vectors per request. */
  readonly recommendedBatchSize: number;
  /** Requests in flight. */
  readonly recommendedConcurrency: number;
  readonly predicted: {
    /** Vectors per second, sustained. */
    readonly throughputVps: number;
    /** From sending a request to its acknowledgement, ms. */
    readonly batchLatencyMs: number;
    /** 95th percentile of the same, ms. */
    readonly p95LatencyMs: number;
    /** Held by vectors in flight, all copies counted, MB. */
    readonly memoryMb: number;
    /** Peak resident memory of the loading process, MB. */
    readonly processPeakMb: number;
  };
  /** 0..1; see `model/confidence.ts`. */
  readonly confidence: number;
  /** Range of the rate in which four of five loads should fall, vectors per second. */
  readonly interval: { readonly low: number; readonly high: number };
  readonly bindingConstraint: BindingConstraint;
  /** Points of the Pareto front of rate, p95 latency, memory and number of requests, the recommended one left out. */
  readonly alternatives: readonly Alternative[];
  readonly explanation: string;
  /** What the answer rests on. */
  readonly model: {
    readonly database: string;
    readonly basis: string;
    readonly records: number;
    readonly cost: CostModel;
  };
}

/** The setting that most tools use when nobody has thought about it; the baseline of every comparison. */
const USUAL_GUESS: Setting = { batchSize: 100, concurrency: 1 };

/** Answers before a load how many vectors per request and how many requests in flight it should use. */
export class OptimalBatchSizeCalculator {
  readonly #context: ResolvedContext;

  constructor(context: OptimizerContext = {}) {
    this.#context = resolveContext(context);
  }

  /**
   * The setting that the model expects to be best for a load, why, and how sure that is. Among settings
   * within 3 % of the best it takes the one with the fewest vectors in flight. Deterministic.
   * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds or unknown.
   * @throws VBO_ERR_MEMORY if a twentieth of the memory does not hold a single vector in flight.
   */
  async calculateOptimalBatchSize(request: BatchSizeRequest): Promise<BatchSizeRecommendation> {
    return this.recommend(request);
  }

  /** {@link calculateOptimalBatchSize} at once: it takes some 10 us. */
  recommend(request: BatchSizeRequest): BatchSizeRecommendation {
    const { task, prediction } = this.#taskOf(request);
    const { profile, dimension, cost, objective, limits, ceilingVps } = task;
    const answer = searchSetting(this.#context.kernels, task);
    const { chosen } = answer;
    // The level that the forest sees at the choice, for all that is compared with it.
    const level = correctionAt(prediction.correction, chosen);
    const predict = (setting: Setting & { vectorsPerSecond: number }) =>
      predictedOf(setting, task, prediction);
    const predicted = predict(chosen);
    const interval = rateInterval(predicted.throughputVps, prediction.logDeviation);
    const usualGuess = {
      batchSize: Math.min(
        USUAL_GUESS.batchSize,
        limits.itemCount,
        limits.maxRows ?? Number.POSITIVE_INFINITY,
      ),
      concurrency: USUAL_GUESS.concurrency,
    };
    const usualRate = correctionAt(prediction.correction, usualGuess) * vectorsPerSecond(cost, usualGuess);
    const alternatives = alternativesTo(
      predicted,
      frontOf(task, answer).map((point) => ({ expected: predict(point), merits: point.merits })),
    );
    return {
      recommendedBatchSize: chosen.batchSize,
      recommendedConcurrency: chosen.concurrency,
      predicted: {
        throughputVps: predicted.throughputVps,
        batchLatencyMs: predicted.batchLatencyMs,
        p95LatencyMs: predicted.p95LatencyMs,
        memoryMb: predicted.memoryMb,
        processPeakMb: predicted.processPeakMb,
      },
      confidence: prediction.confidence,
      interval: {
        low: interval.low,
        high: Math.max(predicted.throughputVps, Math.min(interval.high, ceilingVps)),
      },
      bindingConstraint: answer.binding,
      alternatives,
      explanation: explainRecommendation({
        profile,
        dimension,
        chosen,
        rate: predicted.throughputVps,
        usualGuess,
        usualRate,
        unlimited: answer.unlimited,
        unlimitedRate: level * answer.unlimited.vectorsPerSecond,
        alternative: alternatives[0],
        predicted,
        binding: answer.binding,
        gainIfRelaxed: answer.gainIfRelaxed,
        objective,
        requestBytes: requestBytes(profile, dimension, chosen.batchSize),
        processPeakMb: predicted.processPeakMb,
        limits,
        ceilingVps,
        basis: prediction.basis,
        measured: prediction.records > 0,
        isByShares: answer.isByShares,
      }),
      model: { database: profile.name, basis: prediction.basis, records: prediction.records, cost },
    };
  }

  /**
   * How good every setting is for a load, and what keeps it from being chosen: the surface that
   * {@link calculateOptimalBatchSize} searches, at any resolution, for a picture.
   * @throws VBO_ERR_ARGUMENT, VBO_ERR_MEMORY as {@link calculateOptimalBatchSize}; VBO_ERR_ARGUMENT for an axis that is
   * not ascending or too long.
   */
  async costSurface(request: BatchSizeRequest, axes: SurfaceAxes): Promise<CostSurface> {
    const { task } = this.#taskOf(request);
    const { kernels } = this.#context;
    return surfaceOf(kernels, task, searchSetting(kernels, task), axes);
  }

  /** All that the model has learnt; `vector-batch-optimizer/browser` answers alike from it. */
  modelState(): ModelState {
    return this.#context.model.toJSON();
  }

  /** A request, checked, as the search takes it. */
  #taskOf(request: BatchSizeRequest): { task: BatchSizeTask; prediction: Prediction } {
    const { itemCount, vectorDimension: dimension, systemResources: resources } = checkRequest(request);
    const profile = profileOf(request.databaseType);
    checkDimension(profile, dimension);
    const prediction = this.#context.model.predict(profile, dimension, itemCount);
    const bytesPerSecond = Math.min(
      resources.ioBandwidthMbps * 1e6,
      profile.limits.maxBytesPerSecond ?? Number.POSITIVE_INFINITY,
    );
    // Every limit is named, known or not: objects of one shape are copied and read many times as fast.
    const limits = {
      maxRows: prediction.limits.maxRows,
      maxRequestBytes: prediction.limits.maxRequestBytes,
      maxLatencyMs: undefined,
      maxMemoryBytes: IN_FLIGHT_SHARE * resources.availableMemoryMb * 1e6,
      maxConcurrency: usefulConcurrency(profile, resources.cpuCores),
      itemCount,
    };
    const task = {
      profile,
      dimension,
      cost: prediction.cost,
      limits,
      objective: request.objective ?? 'performance',
      ceilingVps: bytesPerSecond / wireBytesPerVector(profile, dimension),
      slowerBy: 1 / rateInterval(1, prediction.logDeviation).low,
      shares: this.#context.model.sharesOfBest(profile.name, dimension),
    };
    return { task, prediction };
  }

  /**
   * Fits the model to execution records; later answers for their databases rest on the fit, at other
   * dimensions too. Records that are not valid are listed in the report's `refused`, the rest is used.
   * @throws VBO_ERR_ARGUMENT if `records` is not an array.
   * @throws VBO_ERR_RECORD if every record is refused.
   */
  async trainPerformanceModel(records: readonly unknown[]): Promise<TrainingReport> {
    if (!Array.isArray(records)) {
      throw new VectorBatchError(
        'VBO_ERR_ARGUMENT',
        `records is ${describe(records)}; expected an array of execution records.`,
        { details: { argument: 'records', value: records } },
      );
    }
    return this.#context.train(records);
  }
}

/** A search with every bound of a load. */
type BatchSizeTask = SearchTask & {
  readonly limits: RequestLimits & {
    readonly maxMemoryBytes: number;
    readonly maxConcurrency: number;
    readonly itemCount: number;
  };
  readonly ceilingVps: number;
};

function checkRequest(request: BatchSizeRequest): BatchSizeRequest {
  fieldsOf(request, 'request');
  checkNumber(request.itemCount, 'itemCount', { min: 1, max: MAX_ITEMS, integer: true });
  checkNumber(request.vectorDimension, 'vectorDimension', { min: 1, max: MAX_DIMENSION, integer: true });
  const resources = fieldsOf(request.systemResources, 'systemResources');
  checkNumber(resources.availableMemoryMb, 'systemResources.availableMemoryMb', { min: 1, max: 1e9 });
  checkNumber(resources.cpuCores, 'systemResources.cpuCores', { min: 1, max: 4096, integer: true });
  checkNumber(resources.ioBandwidthMbps, 'systemResources.ioBandwidthMbps', { min: 1e-3, max: 1e9 });
  if (request.objective !== undefined) checkOneOf(request.objective, 'objective', OBJECTIVES);
  return request;
}

/** @throws VBO_ERR_ARGUMENT if the database cannot store vectors of that dimension. */
export function checkDimension(profile: DatabaseProfile, dimension: number): void {
  const { maxDimension } = profile.limits;
  if (maxDimension !== undefined && dimension > maxDimension) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `vectorDimension is ${dimension}; ${profile.name} stores at most ${maxDimension} dimensions.`,
      { details: { argument: 'vectorDimension', value: dimension, max: maxDimension } },
    );
  }
}
