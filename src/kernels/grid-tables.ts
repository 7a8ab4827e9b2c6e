import { checkNumber } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

export const MAX_GRID_ROWS = 4096;
export const MAX_GRID_COLUMNS = 256;
export const MAX_GRID_TOP = 256;

/** The coefficients of the cost model (`src/model/cost.ts` has the formulas), none negative. */
export interface GridModel {
  readonly fixedMs: number;
  readonly perVectorMs: number;
  readonly superLinearMs: number;
  readonly sigma: number;
  readonly kappa: number;
}

/** Upper bounds; one left out does not bind. */
export interface GridLimits {
  /** Bytes in flight: memory.baseBytes + memory.perVectorBytes * batchSize * concurrency. */
  readonly maxMemoryBytes?: number | undefined;
  /** Bytes of one request: wire.perRequestBytes + wire.perVectorBytes * batchSize. */
  readonly maxRequestBytes?: number | undefined;
  /** Vectors of one request. */
  readonly maxRows?: number | undefined;
  /** Predicted time of one request, ms. */
  readonly maxLatencyMs?: number | undefined;
  readonly maxConcurrency?: number | undefined;
  /** Vectors of the whole load: batchSize * concurrency must not pass it. */
  readonly itemCount?: number | undefined;
}

export type GridBound = 'memory' | 'request_bytes' | 'rows' | 'latency' | 'concurrency' | 'items';

/** How much each term of the cost counts; not all zero, none negative. */
export interface GridWeights {
  readonly throughput: number;
  readonly latency: number;
  readonly memory: number;
  readonly requests: number;
}

export interface GridRequest {
  readonly model: GridModel;
  /** Vectors per request, ascending, at least 1; up to {@link MAX_GRID_ROWS}. */
  readonly batchSizes: ArrayLike<number>;
  /** Requests in flight, ascending, at least 1; up to {@link MAX_GRID_COLUMNS}. */
  readonly concurrencies: ArrayLike<number>;
  readonly memory: { readonly baseBytes: number; readonly perVectorBytes: number };
  readonly wire: { readonly perVectorBytes: number; readonly perRequestBytes: number };
  readonly limits: GridLimits;
  readonly weights: GridWeights;
  /** Cells within best * (1 + plateauTolerance) count as equally good, and the smallest of them is preferred. */
  readonly plateauTolerance: number;
  /** How many of the cheapest feasible cells to list, 1 .. {@link MAX_GRID_TOP}. */
  readonly top: number;
  /** Also return the cost of every cell. */
  readonly surface?: boolean;
}

/** The values of the grid's fastest cell (limits ignored), against which every term of the cost is held. */
export interface GridReferences {
  readonly msPerVector: number;
  readonly latencyMs: number;
  readonly memoryBytes: number;
  readonly requestsPerVector: number;
}

/** What a grid is of, whatever is asked of it. */
export type GridShape = Pick<GridRequest, 'model' | 'batchSizes' | 'concurrencies' | 'memory' | 'wire'>;

/** The part of the tables that no weight and no limit changes. */
export interface GridAxes {
  readonly rows: number;
  readonly columns: number;
  /** c, v, u: 3 x columns. */
  readonly columnTable: Float64Array;
  readonly references: GridReferences;
}

/** The arrays that the kernel reads; see `assembly/grid.ts` for their meaning. */
export interface GridTables extends GridAxes {
  /** b, service, P, Q, R, S: 6 x rows. */
  readonly rowTable: Float64Array;
  /** Ten numbers: memory base and per vector, request base and per vector, then the six limits. */
  readonly bounds: Float64Array;
}

/** The limit behind each bound, in the order that the kernel has them. */
export const LIMIT_OF = {
  memory: 'maxMemoryBytes',
  request_bytes: 'maxRequestBytes',
  rows: 'maxRows',
  latency: 'maxLatencyMs',
  concurrency: 'maxConcurrency',
  items: 'itemCount',
} as const satisfies Record<GridBound, keyof GridLimits>;
const BOUND_NAMES = Object.keys(LIMIT_OF) as GridBound[];
const LIMIT_NAMES = Object.values(LIMIT_OF);
const FIRST_LIMIT = 4;
export const BOUNDS = FIRST_LIMIT + LIMIT_NAMES.length;

/** Where the limit of a bound lies among the bounds. */
export const placeOfBound = (bound: GridBound): number => FIRST_LIMIT + BOUND_NAMES.indexOf(bound);

/**
 * The separable form of a request, and its checks.
 * @throws VBO_ERR_ARGUMENT as {@link searchGrid}.
 */
export function gridTables(request: GridRequest): GridTables {
  const { rows, columns } = checkShape(request);
  const rowTable = new Float64Array(6 * rows);
  const columnTable = new Float64Array(3 * columns);
  const bounds = new Float64Array(BOUNDS);
  const references = fillAxes(request, rowTable, columnTable);
  fillWeights(request, request.weights, references, rowTable);
  fillBounds(request, request.limits, bounds);
  return { rows, columns, columnTable, references, rowTable, bounds };
}

/** @throws VBO_ERR_ARGUMENT for an axis or a coefficient that is out of its bounds */
export function checkShape(shape: GridShape): { rows: number; columns: number } {
  const rows = checkAxis(shape.batchSizes, 'batchSizes', MAX_GRID_ROWS);
  const columns = checkAxis(shape.concurrencies, 'concurrencies', MAX_GRID_COLUMNS);
  checkGroup(shape.model, 1e300);
  checkGroup(shape.memory, 1e300);
  checkGroup(shape.wire, 1e300);
  return { rows, columns };
}

/** Writes c, v and u, and of the row table b and service. */
export function fillAxes(
  { model, batchSizes, concurrencies, memory }: GridShape,
  rowTable: Float64Array,
  columnTable: Float64Array,
): GridReferences {
  const { fixedMs, perVectorMs, superLinearMs, sigma, kappa } = model;
  const rows = batchSizes.length;
  const columns = concurrencies.length;
  let fastestColumn = 0;
  let leastShare = Number.POSITIVE_INFINITY;
  for (let j = 0; j < columns; j++) {
    const c = concurrencies[j]!;
    const contention = 1 + sigma * (c - 1) + kappa * c * (c - 1);
    columnTable[j] = c;
    columnTable[columns + j] = contention;
    columnTable[2 * columns + j] = contention / c;
    if (contention / c < leastShare) {
      leastShare = contention / c;
      fastestColumn = j;
    }
  }

  let fastestRow = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rows; i++) {
    const b = batchSizes[i]!;
    const service = fixedMs + perVectorMs * b + superLinearMs * b * Math.log2(b);
    rowTable[i] = b;
    rowTable[rows + i] = service;
    if (service / b < leastMs) {
      leastMs = service / b;
      fastestRow = i;
    }
  }

  const fastestBatch = batchSizes[fastestRow]!;
  const service = rowTable[rows + fastestRow]!;
  const inFlight = fastestBatch * concurrencies[fastestColumn]!;
  return {
    msPerVector: (service / fastestBatch) * leastShare,
    latencyMs: service * columnTable[columns + fastestColumn]!,
    memoryBytes: memory.baseBytes + memory.perVectorBytes * inFlight,
    requestsPerVector: 1 / fastestBatch,
  };
}

/** Writes P, Q, R and S of the row table, whose b and service are there. @throws VBO_ERR_ARGUMENT */
export function fillWeights(
  { memory, batchSizes }: Pick<GridShape, 'memory' | 'batchSizes'>,
  weights: GridWeights,
  references: GridReferences,
  rowTable: Float64Array,
): void {
  const rows = batchSizes.length;
  checkGroup(weights, 1e300);
  if (!(weights.throughput + weights.latency + weights.memory + weights.requests > 0)) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', 'All weights are 0; expected at least one above 0.');
  }
  const throughput = relative(weights.throughput, references.msPerVector);
  const latency = relative(weights.latency, references.latencyMs);
  const memoryWeight = relative(weights.memory, references.memoryBytes);
  const requests = relative(weights.requests, references.requestsPerVector);
  for (let i = 0; i < rows; i++) {
    const b = rowTable[i]!;
    const service = rowTable[rows + i]!;
    rowTable[2 * rows + i] = (throughput * service) / b;
    rowTable[3 * rows + i] = latency * service;
    rowTable[4 * rows + i] = memoryWeight * memory.perVectorBytes * b;
    rowTable[5 * rows + i] = requests / b + memoryWeight * memory.baseBytes;
  }
}

/** Writes what the kernel holds cells against. @throws VBO_ERR_ARGUMENT */
export function fillBounds(
  { memory, wire }: Pick<GridShape, 'memory' | 'wire'>,
  limits: GridLimits,
  bounds: Float64Array,
): void {
  bounds[0] = memory.baseBytes;
  bounds[1] = memory.perVectorBytes;
  bounds[2] = wire.perRequestBytes;
  bounds[3] = wire.perVectorBytes;
  for (let k = 0; k < LIMIT_NAMES.length; k++) {
    const limit = limits[LIMIT_NAMES[k]!] ?? Number.POSITIVE_INFINITY;
    if (!(limit >= 0)) checkNumber(limit, LIMIT_NAMES[k]!, { min: 0, max: Number.POSITIVE_INFINITY });
    bounds[FIRST_LIMIT + k] = limit;
  }
}

/** The bounds that a check needs are put together only for a value that is refused. */
function checkGroup(group: object, max: number): void {
  for (const name in group) {
    const value = (group as Record<string, number>)[name]!;
    if (!(value >= 0 && value <= max)) checkNumber(value, name, { min: 0, max });
  }
}

/** A weight per unit of its term; a term whose reference is 0 is 0 everywhere on the grid. */
const relative = (weight: number, reference: number): number => (reference > 0 ? weight / reference : 0);

function checkAxis(values: ArrayLike<number>, name: string, maxLength: number): number {
  checkNumber(values.length, `${name}.length`, { min: 1, max: maxLength, integer: true });
  let least = 1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // The name is put together only for a value that is refused.
    if (!(value >= least && value <= Number.MAX_SAFE_INTEGER)) {
      checkNumber(value, `${name}[${i}]`, { min: least, max: Number.MAX_SAFE_INTEGER });
    }
    least = value;
  }
  return values.length;
}
