import type { Setting } from '../core/types.js';
import { type GridLimits, type GridReferences, type GridWeights, searchGrid } from '../kernels/grid.js';
import { gridTables } from '../kernels/grid-tables.js';
import type { Kernels } from '../kernels/kernels.js';
import { type GridWithoutWeights, gridOf, type SearchAnswer, type SearchTask, WEIGHTS } from './search.js';

/** Where to evaluate: ascending, at least 1, not necessarily whole. */
export interface SurfaceAxes {
  /** Vectors per request; up to 4096 of them. */
  readonly batchSizes: ArrayLike<number>;
  /** Requests in flight; up to 256 of them. */
  readonly concurrencies: ArrayLike<number>;
}

/** How good every setting is, for a picture of a recommendation. */
export interface CostSurface {
  /**
   * Row-major batchSizes x concurrencies: the best allowed setting's cost over this one's, by the objective. 1 is as good
   * as the best, 0.5 costs twice as much; more than 1 would be better, but passes a limit.
   */
  readonly score: Float64Array;
  /** Settings that score this much or more are as good as the best, and the smallest of them is recommended. */
  readonly plateauScore: number;
  /** Settings that score more would fill the path, and gain nothing by it; Infinity where the path does not bind. */
  readonly ceilingScore: number;
  /** Vectors per second that the path carries. */
  readonly ceilingVps: number;
  /** What a setting must not pass. */
  readonly limits: GridLimits;
  /** Bytes that a vector takes in flight. */
  readonly inFlightBytesPerVector: number;
  /** Most vectors per request by bytes and rows, and most in flight by memory and items. */
  readonly edges: SurfaceEdges;
}

/** The limits in units of the axes; Infinity where there is none. */
export interface SurfaceEdges {
  readonly rows: number;
  readonly requestBytes: number;
  readonly concurrency: number;
  /** Of batchSize x concurrency. */
  readonly memory: number;
  /** Of batchSize x concurrency. */
  readonly items: number;
  /** The fastest allowed setting, past which other objectives than the rate do not look; Infinity for the rate. */
  readonly fastest: Setting;
}

/**
 * The surface that `answer` was found on, at any resolution.
 * @throws VBO_ERR_ARGUMENT when an axis is out of its bounds.
 */
export function surfaceOf(
  kernels: Kernels,
  task: SearchTask,
  answer: SearchAnswer,
  axes: SurfaceAxes,
): CostSurface {
  const grid = gridOf(task);
  const byRate = task.objective === 'performance' || answer.binding === 'io';
  const weights = byRate ? WEIGHTS.performance : WEIGHTS[task.objective];
  const request = { ...grid, ...axes, limits: {} };
  const { surface } = searchGrid(kernels, {
    ...request,
    weights: against(answer.references, request, weights),
    surface: true,
  });
  const { limits, memory, wire } = grid;
  const unbounded = Number.POSITIVE_INFINITY;
  return {
    score: surface!.map((cost) => answer.bestCost / cost),
    plateauScore: 1 / (1 + answer.tolerance),
    ceilingScore: answer.binding === 'io' ? task.ceilingVps! / answer.fastest.vectorsPerSecond : unbounded,
    ceilingVps: task.ceilingVps ?? unbounded,
    limits,
    inFlightBytesPerVector: memory.perVectorBytes,
    edges: {
      rows: limits.maxRows ?? unbounded,
      requestBytes: ((limits.maxRequestBytes ?? unbounded) - wire.perRequestBytes) / wire.perVectorBytes,
      concurrency: limits.maxConcurrency ?? unbounded,
      memory: ((limits.maxMemoryBytes ?? unbounded) - memory.baseBytes) / memory.perVectorBytes,
      items: limits.itemCount ?? unbounded,
      fastest: byRate ? { batchSize: unbounded, concurrency: unbounded } : answer.fastest,
    },
  };
}

/** Weights that make a grid hold its terms against `references` instead of its own fastest cell. */
function against(references: GridReferences, request: GridWithoutWeights, weights: GridWeights): GridWeights {
  const own = gridTables({ ...request, weights }).references;
  return {
    throughput: (weights.throughput * own.msPerVector) / references.msPerVector,
    latency: (weights.latency * own.latencyMs) / references.latencyMs,
    memory: (weights.memory * own.memoryBytes) / references.memoryBytes,
    requests: (weights.requests * own.requestsPerVector) / references.requestsPerVector,
  };
}
