import { VectorBatchError } from '../core/errors.js';
import type { Objective } from '../core/types.js';
import { formatBytes } from '../core/units.js';
import {
  Grid,
  type GridBound,
  type GridCell,
  type GridLimits,
  type GridReferences,
  type GridRequest,
  type GridResult,
  type GridWeights,
} from '../kernels/grid.js';
import type { Kernels } from '../kernels/kernels.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../model/cost.js';
import { settingAt } from '../model/lattice.js';
import { inFlightBytesPerVector } from '../model/memory.js';
import { type DatabaseProfile, wireBytesPerVector } from '../model/profile.js';
import { batchSizeAxis, concurrencyAxis } from './axes.js';
import { type RateResult, RateSurface } from './rate-surface.js';

/** Settings within 3 % of the best cannot be told apart by any affordable measurement; the smallest of them is taken. */
export const PLATEAU_TOLERANCE = 0.03;
/** Expected shares this close cannot be told apart. */
const SHARE_TOLERANCE = 0.01;

/** Each objective is half the rate and half what it is named after, relative to the fastest setting allowed. */
export const WEIGHTS: Record<Objective, GridWeights> = {
  performance: { throughput: 1, latency: 0, memory: 0, requests: 0 },
  latency: { throughput: 0.5, latency: 0.5, memory: 0, requests: 0 },
  memory: { throughput: 0.5, latency: 0, memory: 0.5, requests: 0 },
  cost: { throughput: 0.5, latency: 0, memory: 0, requests: 0.5 },
  balanced: { throughput: 0.55, latency: 0.15, memory: 0.15, requests: 0.15 },
};

/** What can keep the answer from being faster. `io`: the bandwidth of the path, or what the database takes per second. */
export type BindingConstraint = GridResult['binding'] | 'io';

/** What to search: a cost model of one database and dimension, and the bounds of the case. */
export interface SearchTask {
  readonly profile: DatabaseProfile;
  readonly dimension: number;
  readonly cost: CostModel;
  readonly limits: GridLimits;
  readonly objective: Objective;
  /** Most vectors per second that the path carries. Default: no bound. */
  readonly ceilingVps?: number;
  /** Factor by which the database may be slower than predicted; a setting that fills the path must do so even then. */
  readonly slowerBy?: number;
  /** Expected share of the best rate at every node of the lattice, where the pair was measured: decides on performance. */
  readonly shares?: readonly number[] | undefined;
  /** Batch sizes to consider besides the round ones, or instead of them. */
  readonly batchSizes?: readonly number[];
}

export interface SearchAnswer {
  /** The setting to use. */
  readonly chosen: GridCell;
  /** The fastest within the limits. */
  readonly fastest: GridCell;
  /** What would be chosen without limits. */
  readonly unlimited: GridCell;
  readonly binding: BindingConstraint;
  /** Rate of the choice with the binding limit alone lifted, over the rate of the choice; 1 where nothing is gained. */
  readonly gainIfRelaxed: number;
  readonly references: GridReferences;
  /** Cost of the cheapest cell within the limits, by the objective, relative to the references. */
  readonly bestCost: number;
  /** Cells that cost up to this share more count as equally good. */
  readonly tolerance: number;
  /** The settings that were considered, and their rates. */
  readonly rates: RateSurface;
  /** What was measured of the very pair decided, not its cost model. */
  readonly isByShares: boolean;
}

type GridAxes = Pick<GridRequest, 'batchSizes' | 'concurrencies'>;

/** A grid search but for the objective. */
export type GridWithoutWeights = Omit<GridRequest, 'weights'>;

/**
 * Finds the setting for a task: the smallest batch x concurrency within {@link PLATEAU_TOLERANCE} of the
 * cheapest cell that obeys every limit.
 * @throws VBO_ERR_MEMORY if not even one vector in flight obeys the limits.
 */
export function searchSetting(kernels: Kernels, task: SearchTask): SearchAnswer {
  const request = gridOf(task);
  const { limits } = request;
  const rates = surfaceFor(request);
  const rate = rates.search(limits, PLATEAU_TOLERANCE);
  if (!rate.best) throw impossible(task, rate.binding);
  const fastest = rate.best;

  const ceiling = task.ceilingVps ?? Number.POSITIVE_INFINITY;
  const io = fastest.vectorsPerSecond > ceiling;
  if (task.objective !== 'performance' && !io) return weigh(kernels, request, task, fastest);
  // Cells that fill the path for certain are as fast as each other, so all of them belong to the plateau.
  const filling = fastest.vectorsPerSecond / (ceiling * (task.slowerBy ?? 1)) - 1;
  const tolerance = Math.max(PLATEAU_TOLERANCE, filling);
  const result = tolerance === PLATEAU_TOLERANCE ? rate : rates.search(limits, tolerance);
  const byShares = !io && task.shares ? bestMeasured(task, task.shares) : undefined;
  const chosen = byShares ?? unbeaten(task, request, result.plateau!);
  return {
    chosen,
    fastest,
    unlimited: result.unlimited.plateau,
    ...(io
      ? { binding: 'io', gainIfRelaxed: 1 }
      : relax(chosen, result, (bound) => rates.plateauWithout(bound, limits, tolerance)!)),
    references: rates.references,
    bestCost: rate.best.cost,
    tolerance,
    rates,
    isByShares: byShares !== undefined,
  };
}

/** Of each cost model the surface made last: loads of one database and dimension mostly differ in their limits alone. */
const surfaces = new WeakMap<CostModel, RateSurface>();

function surfaceFor(request: GridWithoutWeights): RateSurface {
  const known = surfaces.get(request.model);
  if (known?.isOf(request)) return known;
  const made = new RateSurface(request);
  surfaces.set(request.model, made);
  return made;
}

/** By more than the rate: the grid up to the fastest cell, so that latency and memory are held against what could be used. */
function weigh(
  kernels: Kernels,
  request: GridWithoutWeights,
  task: SearchTask,
  fastest: GridCell,
): SearchAnswer {
  const axes = upTo(request, fastest);
  const grid = new Grid(kernels, { ...request, ...axes });
  try {
    const question = { ...request, weights: WEIGHTS[task.objective] };
    const result = grid.search(question);
    const chosen = unbeaten(task, axes, result.plateau!);
    return {
      chosen,
      fastest,
      unlimited: result.unlimited.plateau,
      ...relax(chosen, result, (bound) => grid.plateauWithout(bound, question)!),
      references: result.references,
      bestCost: result.best!.cost,
      tolerance: PLATEAU_TOLERANCE,
      rates: new RateSurface({ ...request, ...axes }),
      isByShares: false,
    };
  } finally {
    grid.dispose();
  }
}

/** Which of the limits holds the choice back: the one whose lifting gains the most. */
function relax(
  chosen: GridCell,
  { binding, violated }: RateResult,
  plateauWithout: (bound: GridBound) => GridCell,
): Pick<SearchAnswer, 'binding' | 'gainIfRelaxed'> {
  let most: Pick<SearchAnswer, 'binding' | 'gainIfRelaxed'> = { binding, gainIfRelaxed: 1 };
  for (const { bound } of violated) {
    const gain = plateauWithout(bound).vectorsPerSecond / chosen.vectorsPerSecond;
    if (gain > most.gainIfRelaxed + 1e-9) most = { binding: bound, gainIfRelaxed: gain };
  }
  return most;
}

/** A larger batch with fewer requests in flight, as many vectors, and no lower rate is better in every respect. */
function unbeaten(task: SearchTask, axes: GridAxes, cell: GridCell): GridCell {
  if (cell.concurrency === 1) return cell;
  const { cost } = task;
  const isAllowed = allowedBy(task);
  const inFlight = cell.batchSize * cell.concurrency;
  let best = cell;
  for (let k = 0; k < axes.batchSizes.length; k++) {
    const batchSize = axes.batchSizes[k]!;
    if (batchSize <= best.batchSize) continue;
    const concurrency = inFlight / batchSize;
    if (concurrency < 1) break;
    if (!Array.prototype.includes.call(axes.concurrencies, concurrency)) continue;
    const rate = vectorsPerSecond(cost, { batchSize, concurrency });
    if (rate < best.vectorsPerSecond || !isAllowed(batchSize, concurrency)) continue;
    best = {
      ...best,
      batchSize,
      concurrency,
      vectorsPerSecond: rate,
      latencyMs: latencyMs(cost, { batchSize, concurrency }),
    };
  }
  return best;
}

/** The setting whose expected share of the best is largest within the limits; of those as good as it, the smallest. */
function bestMeasured(task: SearchTask, shares: readonly number[]): GridCell | undefined {
  const { profile, dimension, cost } = task;
  const isAllowed = allowedBy(task);
  const nodes = shares.flatMap((share, node) => {
    const setting = settingAt(node);
    return isAllowed(setting.batchSize, setting.concurrency)
      ? [{ setting, share, inFlight: setting.batchSize * setting.concurrency }]
      : [];
  });
  const best = Math.max(...nodes.map((node) => node.share));
  const asGood = nodes.filter((node) => node.share >= best - SHARE_TOLERANCE);
  if (asGood.length === 0) return undefined;
  const { setting, inFlight } = asGood.reduce((a, b) =>
    b.inFlight < a.inFlight || (b.inFlight === a.inFlight && b.share >= a.share) ? b : a,
  );
  return {
    ...{ ...setting, cost: 1, latencyMs: latencyMs(cost, setting) },
    vectorsPerSecond: vectorsPerSecond(cost, setting),
    memoryBytes: inFlight * inFlightBytesPerVector(profile, dimension),
  };
}

/** Whether a setting obeys every limit of a task. */
export function allowedBy({
  profile,
  dimension,
  cost,
  limits,
}: SearchTask): (batchSize: number, concurrency: number) => boolean {
  const {
    maxRows = UNBOUNDED,
    maxRequestBytes = UNBOUNDED,
    maxMemoryBytes = UNBOUNDED,
    maxLatencyMs = UNBOUNDED,
    maxConcurrency = UNBOUNDED,
    itemCount = UNBOUNDED,
  } = limits;
  const bytesPerVector = inFlightBytesPerVector(profile, dimension);
  const wireBytes = wireBytesPerVector(profile, dimension);
  const { perRequestBytes } = profile.wire;
  return (batchSize, concurrency) => {
    const inFlight = batchSize * concurrency;
    return (
      batchSize <= maxRows &&
      perRequestBytes + batchSize * wireBytes <= maxRequestBytes &&
      inFlight * bytesPerVector <= maxMemoryBytes &&
      (maxLatencyMs === UNBOUNDED || latencyMs(cost, { batchSize, concurrency }) <= maxLatencyMs) &&
      concurrency <= maxConcurrency &&
      inFlight <= itemCount
    );
  };
}

const UNBOUNDED = Number.POSITIVE_INFINITY;

/** The grid that a task is searched on. */
export function gridOf(task: SearchTask): GridWithoutWeights {
  const { profile, dimension, cost, limits } = task;
  return {
    model: cost,
    batchSizes: task.batchSizes ?? batchSizeAxis([limits.maxRows, limits.itemCount]),
    concurrencies: concurrencyAxis(),
    memory: { baseBytes: 0, perVectorBytes: inFlightBytesPerVector(profile, dimension) },
    wire: {
      perVectorBytes: wireBytesPerVector(profile, dimension),
      perRequestBytes: profile.wire.perRequestBytes,
    },
    limits,
    plateauTolerance: PLATEAU_TOLERANCE,
    top: 1,
  };
}

/** The axes up to a cell. */
function upTo(request: GridWithoutWeights, cell: GridCell): GridAxes {
  return {
    batchSizes: Array.from(request.batchSizes).filter((b) => b <= cell.batchSize),
    concurrencies: Array.from(request.concurrencies).filter((c) => c <= cell.concurrency),
  };
}

function impossible(task: SearchTask, binding: RateResult['binding']): VectorBatchError {
  const { limits, dimension, profile } = task;
  const rows = task.batchSizes?.[0] ?? 1;
  const neededBytes = rows * inFlightBytesPerVector(profile, dimension);
  const allowedBytes = limits.maxMemoryBytes ?? Number.POSITIVE_INFINITY;
  const what = `${rows === 1 ? 'One vector' : `A batch of ${rows} vectors`} of ${dimension} dimensions`;
  const message =
    neededBytes > allowedBytes
      ? `${what} takes ${formatBytes(neededBytes)} in flight; ${formatBytes(allowedBytes)} may be used.`
      : `${what} does not fit a request; its ${binding} limit is passed.`;
  return new VectorBatchError('VBO_ERR_MEMORY', message, { details: { neededBytes, ...limits } });
}
