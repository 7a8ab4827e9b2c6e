import { VectorBatchError } from '../core/errors.js';
import type { Objective, Setting } from '../core/types.js';
import { formatBytes } from '../core/units.js';
import {
  Grid,
  type GridCell,
  type GridLimits,
  type GridQuestion,
  type GridReferences,
  type GridRequest,
  type GridResult,
  type GridWeights,
  searchGrid,
} from '../kernels/grid.js';
import type { Kernels } from '../kernels/kernels.js';
import { type CostModel, latencyMs, vectorsPerSecond } from '../model/cost.js';
import { settingAt } from '../model/lattice.js';
import { inFlightBytesPerVector } from '../model/memory.js';
import { type DatabaseProfile, requestBytes, wireBytesPerVector } from '../model/profile.js';
import { batchSizeAxis, concurrencyAxis } from './axes.js';

/** Settings within 3 % of the best cannot be told apart by any affordable measurement; the smallest of them is taken. */
export const PLATEAU_TOLERANCE = 0.03;
/** The lean alternative gives up a quarter of the rate at most. */
const LEAN_TOLERANCE = 1 / 3;

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
  /** The fewest vectors in flight that keep three quarters of the fastest's rate. */
  readonly lean: GridCell;
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
  /** The settings that were considered. */
  readonly axes: Pick<GridRequest, 'batchSizes' | 'concurrencies'>;
  /** What was measured of the very pair decided, not its cost model. */
  readonly isByShares: boolean;
}

/** A grid search but for the objective. */
export type GridWithoutWeights = Omit<GridRequest, 'weights'>;

const LIMIT_OF = {
  memory: 'maxMemoryBytes',
  request_bytes: 'maxRequestBytes',
  rows: 'maxRows',
  latency: 'maxLatencyMs',
  concurrency: 'maxConcurrency',
  items: 'itemCount',
} as const satisfies Record<Exclude<GridResult['binding'], 'none'>, keyof GridLimits>;

/**
 * Finds the setting for a task: the smallest batch x concurrency within {@link PLATEAU_TOLERANCE} of the
 * cheapest cell that obeys every limit.
 * @throws VBO_ERR_MEMORY if not even one vector in flight obeys the limits.
 */
export function searchSetting(kernels: Kernels, task: SearchTask): SearchAnswer {
  const request = gridOf(task);
  const grid = new Grid(kernels, request);
  try {
    return searchOn(kernels, grid, request, task);
  } finally {
    grid.dispose();
  }
}

function searchOn(kernels: Kernels, grid: Grid, request: GridWithoutWeights, task: SearchTask): SearchAnswer {
  const byRateAlone = { ...questionOf(request), weights: WEIGHTS.performance };
  const rate = grid.search(byRateAlone);
  if (!rate.best) throw impossible(task, rate);
  const fastest = rate.best;

  const ceiling = task.ceilingVps ?? Number.POSITIVE_INFINITY;
  const io = fastest.vectorsPerSecond > ceiling;
  // Cells that fill the path for certain are as fast as each other, so all of them belong to the plateau.
  const slack = Math.max(PLATEAU_TOLERANCE, fastest.vectorsPerSecond / (ceiling * (task.slowerBy ?? 1)) - 1);
  const lean = grid.search({ ...byRateAlone, plateauTolerance: Math.max(slack, LEAN_TOLERANCE) }).plateau!;

  const byRate = task.objective === 'performance' || io;
  const axes = byRate ? request : { ...request, ...upTo(request, fastest) };
  const ask = (search: GridQuestion): GridResult =>
    byRate ? grid.search(search) : searchGrid(kernels, { ...axes, ...search });
  const question = byRate
    ? { ...byRateAlone, plateauTolerance: slack }
    : { ...questionOf(request), weights: WEIGHTS[task.objective] };
  const result = byRate && slack === PLATEAU_TOLERANCE ? rate : ask(question);
  const measured = task.objective === 'performance' && !io && task.shares;
  const byShares = measured ? bestMeasured(task, measured) : undefined;
  const chosen = byShares ?? unbeaten(task, axes, result.plateau!);

  let binding: BindingConstraint = io ? 'io' : result.binding;
  let gainIfRelaxed = 1;
  if (!io) {
    for (const { bound } of result.violated) {
      const limits = { ...task.limits, [LIMIT_OF[bound]]: undefined };
      const relaxed = ask({ ...question, limits }).plateau!;
      const gain = relaxed.vectorsPerSecond / chosen.vectorsPerSecond;
      if (gain > gainIfRelaxed + 1e-9) {
        binding = bound;
        gainIfRelaxed = gain;
      }
    }
  }
  return {
    chosen,
    fastest,
    lean,
    unlimited: result.unlimited.plateau,
    binding,
    gainIfRelaxed,
    references: result.references,
    bestCost: result.best!.cost,
    tolerance: byRate ? slack : PLATEAU_TOLERANCE,
    axes,
    isByShares: byShares !== undefined,
  };
}

/** A larger batch with fewer requests in flight, as many vectors, and no lower rate is better in every respect. */
function unbeaten(task: SearchTask, axes: SearchAnswer['axes'], cell: GridCell): GridCell {
  const { cost } = task;
  const isAllowed = allowedBy(task);
  const concurrencies = Array.from(axes.concurrencies);
  let best = cell;
  for (const batchSize of Array.from(axes.batchSizes)) {
    const setting = { batchSize, concurrency: (cell.batchSize * cell.concurrency) / batchSize };
    if (batchSize <= best.batchSize || !concurrencies.includes(setting.concurrency)) continue;
    const rate = vectorsPerSecond(cost, setting);
    if (rate < best.vectorsPerSecond || !isAllowed(setting)) continue;
    best = { ...best, ...setting, vectorsPerSecond: rate, latencyMs: latencyMs(cost, setting) };
  }
  return best;
}

/** The setting whose expected share of the best is largest within the limits; of those as good as it, the smallest. */
function bestMeasured(task: SearchTask, shares: readonly number[]): GridCell | undefined {
  const { profile, dimension, cost } = task;
  const isAllowed = allowedBy(task);
  const nodes = shares.flatMap((share, node) => {
    const setting = settingAt(node);
    return isAllowed(setting) ? [{ setting, share, inFlight: setting.batchSize * setting.concurrency }] : [];
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
export function allowedBy({ profile, dimension, cost, limits }: SearchTask): (setting: Setting) => boolean {
  const bytesPerVector = inFlightBytesPerVector(profile, dimension);
  const within = (value: number, most: number | undefined) => most === undefined || value <= most;
  return (setting) => {
    const { batchSize, concurrency } = setting;
    const inFlight = batchSize * concurrency;
    return (
      within(batchSize, limits.maxRows) &&
      within(requestBytes(profile, dimension, batchSize), limits.maxRequestBytes) &&
      within(inFlight * bytesPerVector, limits.maxMemoryBytes) &&
      (limits.maxLatencyMs === undefined || latencyMs(cost, setting) <= limits.maxLatencyMs) &&
      within(concurrency, limits.maxConcurrency) &&
      within(inFlight, limits.itemCount)
    );
  };
}

const questionOf = ({
  limits,
  plateauTolerance,
  top,
}: GridWithoutWeights): Omit<GridQuestion, 'weights'> => ({
  limits,
  plateauTolerance,
  top,
});

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

/** The axes up to the fastest cell, so that latency and memory are held against a setting that could be used. */
function upTo(
  request: GridWithoutWeights,
  cell: GridCell,
): Pick<GridRequest, 'batchSizes' | 'concurrencies'> {
  return {
    batchSizes: Array.from(request.batchSizes).filter((b) => b <= cell.batchSize),
    concurrencies: Array.from(request.concurrencies).filter((c) => c <= cell.concurrency),
  };
}

function impossible(task: SearchTask, result: GridResult): VectorBatchError {
  const { limits, dimension, profile } = task;
  const rows = task.batchSizes?.[0] ?? 1;
  const neededBytes = rows * inFlightBytesPerVector(profile, dimension);
  const allowedBytes = limits.maxMemoryBytes ?? Number.POSITIVE_INFINITY;
  const what = `${rows === 1 ? 'One vector' : `A batch of ${rows} vectors`} of ${dimension} dimensions`;
  const message =
    neededBytes > allowedBytes
      ? `${what} takes ${formatBytes(neededBytes)} in flight; ${formatBytes(allowedBytes)} may be used.`
      : `${what} does not fit a request; its ${result.binding} limit is passed.`;
  return new VectorBatchError('VBO_ERR_MEMORY', message, { details: { neededBytes, ...limits } });
}
