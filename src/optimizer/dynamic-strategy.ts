import { checkOneOf } from '../core/check.js';
import { type BatchExecutionRecord, OBJECTIVES, type Objective, type Setting } from '../core/types.js';
import { formatCount } from '../core/units.js';
import type { GridLimits, GridReferences } from '../kernels/grid.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../model/cost.js';
import { fitCostModel, type LatencySample } from '../model/fit.js';
import { IN_FLIGHT_SHARE, inFlightBytesPerVector } from '../model/memory.js';
import type { Prediction } from '../model/performance.js';
import { tighter } from '../model/profile.js';
import { profileOf } from '../model/profiles.js';
import { limitsOf } from '../model/request-lessons.js';
import { weighByRate } from '../model/weights.js';
import { fieldsOf } from './arguments.js';
import { batchSizeAxis } from './axes.js';
import { type OptimizerContext, type ResolvedContext, resolveContext } from './context.js';
import { formatPercent, formatSetting } from './explanation.js';
import { searchSetting, WEIGHTS } from './search.js';
import {
  type CurrentPerformance,
  checkPerformance,
  reach,
  type Situation,
  situationOf,
} from './situation.js';
import { type Step, type StepRequest, stepBatchSize } from './step.js';

export interface StrategyRequest {
  currentPerformance: CurrentPerformance;
  /** Earlier runs; those of the same database and dimension take part. */
  historicalPatterns: readonly BatchExecutionRecord[];
  optimizationGoal: Objective;
}

export type StrategyPolicy = 'back-off' | 'history' | 'prior';

export interface Strategy {
  readonly strategy: Setting & { readonly action: 'increase' | 'decrease' | 'rebalance' | 'hold' };
  /** What the model expects of it. */
  readonly expected: {
    readonly throughputVps: number;
    readonly batchLatencyMs: number;
    /** Held by vectors in flight, MB. */
    readonly memoryMb: number;
    /** Expected rate over the rate at the current setting. */
    readonly throughputRatio: number;
  };
  /** What decided: failures, a fit to the history, or the database's prior scaled to the last batch. */
  readonly policy: StrategyPolicy;
  readonly explanation: string;
}

/** Below this share of successes speed is not the question. */
const SUCCESS_FLOOR = 0.95;
/** A change has to promise this much of the goal, or the noise would drive it. */
const WORTH_CHANGING = 0.05;
/** Decides while a load runs (or between two runs) what its next setting should be. */
export class DynamicBatchStrategyOptimizer {
  readonly #context: ResolvedContext;

  constructor(context: OptimizerContext = {}) {
    this.#context = resolveContext(context);
  }

  /**
   * The next setting for a goal. Failures come first: below 95 % success the load backs off, concurrency
   * before batch size. Otherwise the cost model is fitted to the history and the last batch (without a
   * history: the database's prior, scaled to the last batch), and the setting moves towards the model's
   * choice, at most twice past what has been seen, and only for a gain of at least 5 %.
   * @throws VBO_ERR_ARGUMENT naming the argument or the record's field that is out of its bounds.
   */
  async optimizeBatchStrategy(request: StrategyRequest): Promise<Strategy> {
    fieldsOf(request, 'request');
    const goal = checkOneOf(request.optimizationGoal, 'optimizationGoal', OBJECTIVES);
    const performance = checkPerformance(request.currentPerformance);
    const situation = situationOf(performance, request.historicalPatterns);
    const { current, profile, dimension, history } = situation;
    const now: LatencySample = { ...current, latencyMs: performance.executionTimeMs };
    const prediction = this.#context.model.predict(profile, dimension);
    const cost = fitCostModel(weighByRate([...history, now]), prediction.cost);

    if (performance.successRate < SUCCESS_FLOOR)
      return this.#backOff(situation, cost, performance.successRate);

    const perVectorBytes = inFlightBytesPerVector(profile, dimension);
    const answer = searchSetting(this.#context.kernels, {
      profile,
      dimension,
      cost,
      objective: goal,
      limits: this.#limits(situation, prediction, performance.memoryUsageMb, perVectorBytes),
      batchSizes: candidates(situation),
    });
    const costOf = (setting: Setting) => goalCost(goal, answer.references, cost, setting, perVectorBytes);
    const gain = costOf(current) / costOf(answer.chosen) - 1;
    const worth = gain >= WORTH_CHANGING;
    const next = worth ? answer.chosen : current;
    const policy = history.length > 0 ? 'history' : 'prior';
    const grounds =
      policy === 'history'
        ? `${history.length} earlier measurements and the last batch`
        : `the prior of ${profile.name}, scaled to the last batch`;
    const expected = expectation(next, current, cost, perVectorBytes);
    return {
      strategy: { batchSize: next.batchSize, concurrency: next.concurrency, action: actionOf(current, next) },
      expected,
      policy,
      explanation: worth
        ? `From ${formatSetting(current)} to ${formatSetting(next)}: ${formatCount(expected.throughputVps)} vectors/s expected, ${formatPercent(expected.throughputRatio)} of the present rate. By ${grounds}; goal: ${goal}.`
        : `${formatSetting(current)} stays: no setting within reach promises a gain of 5 %. By ${grounds}; goal: ${goal}.`,
    };
  }

  /**
   * The next batch size from the time of the last batch and the time it may take; see {@link stepBatchSize}.
   * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds.
   */
  adjustBatchSizeBasedOnPerformance(request: StepRequest): Step {
    return stepBatchSize(request);
  }

  #limits(
    situation: Situation,
    prediction: Prediction,
    memoryUsageMb: number,
    perVectorBytes: number,
  ): GridLimits {
    const { current, profile, records, history } = situation;
    const own = records.filter((record) => profileOf(record.database_type) === profile);
    const seenLimits = limitsOf(profile, [...own, presentRecord(situation)]);
    const freeBytes = Math.max(0, this.#context.machineMemoryBytes - memoryUsageMb * 1e6);
    // What is in flight now has shown that it fits.
    const inFlightBytes = perVectorBytes * current.batchSize * current.concurrency;
    return {
      ...tighter(prediction.records > 0 ? tighter(prediction.limits, seenLimits) : seenLimits, {
        maxRows: reach(current.batchSize, history, 'batchSize').high,
      }),
      maxMemoryBytes: Math.max(IN_FLIGHT_SHARE * freeBytes, inFlightBytes),
      maxConcurrency: reach(current.concurrency, history, 'concurrency').high,
    };
  }

  /** Fewer requests in flight; with one in flight, smaller ones. Halves, as AIMD's answer to a loss. */
  #backOff({ current, profile, dimension }: Situation, cost: CostModel, successRate: number): Strategy {
    const next: Setting =
      current.concurrency > 1
        ? { batchSize: current.batchSize, concurrency: Math.floor(current.concurrency / 2) }
        : { batchSize: Math.max(1, Math.floor(current.batchSize / 2)), concurrency: 1 };
    return {
      strategy: { ...next, action: actionOf(current, next) },
      expected: expectation(next, current, cost, inFlightBytesPerVector(profile, dimension)),
      policy: 'back-off',
      explanation: `Only ${formatPercent(successRate)} of the batches succeed; ${formatPercent(SUCCESS_FLOOR)} are the least. From ${formatSetting(current)} to ${formatSetting(next)} until they do.`,
    };
  }
}

/** The present setting as a record: it works, whatever its vendor advises. */
function presentRecord({ current, profile, dimension }: Situation): BatchExecutionRecord {
  return {
    database_type: profile.name,
    vector_dimension: dimension,
    batch_size: current.batchSize,
    concurrency: current.concurrency,
    batch_p50_ms: 1,
    success: true,
  };
}

/** Round batch sizes within reach and the current one, but none so near to it that a change would be noise. */
function candidates({ current, history }: Situation): number[] {
  const { low } = reach(current.batchSize, history, 'batchSize');
  const near = (b: number) => Math.abs(b / current.batchSize - 1) < 0.1;
  return batchSizeAxis([current.batchSize]).filter(
    (b) => b === current.batchSize || b === 1 || (b >= low && !near(b)),
  );
}

function expectation(
  next: Setting,
  current: Setting,
  cost: CostModel,
  perVectorBytes: number,
): Strategy['expected'] {
  const throughputVps = vectorsPerSecond(cost, next);
  return {
    throughputVps,
    batchLatencyMs: latencyMs(cost, next),
    memoryMb: (perVectorBytes * next.batchSize * next.concurrency) / 1e6,
    throughputRatio: throughputVps / vectorsPerSecond(cost, current),
  };
}

function actionOf(current: Setting, next: Setting): Strategy['strategy']['action'] {
  const batch = Math.sign(next.batchSize - current.batchSize);
  const concurrency = Math.sign(next.concurrency - current.concurrency);
  if (batch * concurrency < 0) return 'rebalance';
  const direction = batch + concurrency;
  return direction > 0 ? 'increase' : direction < 0 ? 'decrease' : 'hold';
}

/** The cost that the grid search minimizes (see `kernels/grid.ts`), for a setting that need not be on the grid. */
function goalCost(
  goal: Objective,
  references: GridReferences,
  cost: CostModel,
  setting: Setting,
  perVectorBytes: number,
): number {
  const weights = WEIGHTS[goal];
  const { batchSize, concurrency } = setting;
  return (
    (weights.throughput * 1000) / vectorsPerSecond(cost, setting) / references.msPerVector +
    (weights.latency * latencyMs(cost, setting)) / references.latencyMs +
    (weights.memory * perVectorBytes * batchSize * concurrency) / references.memoryBytes +
    weights.requests / batchSize / references.requestsPerVector
  );
}
