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
  readonly maxMemoryBytes?: number;
  /** Bytes of one request: wire.perRequestBytes + wire.perVectorBytes * batchSize. */
  readonly maxRequestBytes?: number;
  /** Vectors of one request. */
  readonly maxRows?: number;
  /** Predicted time of one request, ms. */
  readonly maxLatencyMs?: number;
  readonly maxConcurrency?: number;
  /** Vectors of the whole load: batchSize * concurrency must not pass it. */
  readonly itemCount?: number;
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
  /** b, service: 2 x rows. */
  readonly services: Float64Array;
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

const TERMS = ['throughput', 'latency', 'memory', 'requests'] as const satisfies (keyof GridWeights)[];
const LIMITS = [
  'maxMemoryBytes',
  'maxRequestBytes',
  'maxRows',
  'maxLatencyMs',
  'maxConcurrency',
  'itemCount',
] as const satisfies (keyof GridLimits)[];

/**
 * The separable form of a request, and its checks.
 * @throws VBO_ERR_ARGUMENT as {@link searchGrid}.
 */
export function gridTables(request: GridRequest): GridTables {
  const axes = gridAxes(request);
  const rowTable = weighRows(axes, request.memory, request.weights);
  return { ...axes, rowTable, bounds: boundsOf(request, request.limits) };
}

/** @throws VBO_ERR_ARGUMENT for an axis or a coefficient that is out of its bounds */
export function gridAxes({ model, batchSizes, concurrencies, memory, wire }: GridShape): GridAxes {
  const rows = checkAxis(batchSizes, 'batchSizes', MAX_GRID_ROWS);
  const columns = checkAxis(concurrencies, 'concurrencies', MAX_GRID_COLUMNS);
  for (const group of [model, memory, wire]) checkGroup(group, 1e300);
  const { fixedMs, perVectorMs, superLinearMs, sigma, kappa } = model;

  const columnTable = new Float64Array(3 * columns);
  let fastestColumn = 0;
  for (let j = 0; j < columns; j++) {
    const c = concurrencies[j]!;
    const contention = 1 + sigma * (c - 1) + kappa * c * (c - 1);
    columnTable[j] = c;
    columnTable[columns + j] = contention;
    columnTable[2 * columns + j] = contention / c;
    if (contention / c < columnTable[2 * columns + fastestColumn]!) fastestColumn = j;
  }

  const services = new Float64Array(2 * rows);
  let fastestRow = 0;
  for (let i = 0; i < rows; i++) {
    const b = batchSizes[i]!;
    const service = fixedMs + perVectorMs * b + superLinearMs * b * Math.log2(b);
    services[i] = b;
    services[rows + i] = service;
    if (service / b < services[rows + fastestRow]! / services[fastestRow]!) fastestRow = i;
  }

  const fastestBatch = services[fastestRow]!;
  const service = services[rows + fastestRow]!;
  const inFlight = fastestBatch * columnTable[fastestColumn]!;
  const references: GridReferences = {
    msPerVector: (service / fastestBatch) * columnTable[2 * columns + fastestColumn]!,
    latencyMs: service * columnTable[columns + fastestColumn]!,
    memoryBytes: memory.baseBytes + memory.perVectorBytes * inFlight,
    requestsPerVector: 1 / fastestBatch,
  };
  return { rows, columns, services, columnTable, references };
}

/** The row table of some weights. @throws VBO_ERR_ARGUMENT */
export function weighRows(axes: GridAxes, memory: GridShape['memory'], weights: GridWeights): Float64Array {
  const { rows, services, references } = axes;
  checkGroup(weights, 1e300);
  if (TERMS.every((term) => !(weights[term] > 0))) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', 'All weights are 0; expected at least one above 0.');
  }
  const throughput = relative(weights.throughput, references.msPerVector);
  const latency = relative(weights.latency, references.latencyMs);
  const memoryWeight = relative(weights.memory, references.memoryBytes);
  const requests = relative(weights.requests, references.requestsPerVector);
  const rowTable = new Float64Array(6 * rows);
  rowTable.set(services);
  for (let i = 0; i < rows; i++) {
    const b = services[i]!;
    const service = services[rows + i]!;
    rowTable[2 * rows + i] = (throughput * service) / b;
    rowTable[3 * rows + i] = latency * service;
    rowTable[4 * rows + i] = memoryWeight * memory.perVectorBytes * b;
    rowTable[5 * rows + i] = requests / b + memoryWeight * memory.baseBytes;
  }
  return rowTable;
}

/** What the kernel holds cells against. @throws VBO_ERR_ARGUMENT */
export function boundsOf(
  { memory, wire }: Pick<GridShape, 'memory' | 'wire'>,
  limits: GridLimits,
): Float64Array {
  const bounds = new Float64Array(4 + LIMITS.length);
  bounds[0] = memory.baseBytes;
  bounds[1] = memory.perVectorBytes;
  bounds[2] = wire.perRequestBytes;
  bounds[3] = wire.perVectorBytes;
  for (let k = 0; k < LIMITS.length; k++) {
    const limit = limits[LIMITS[k]!] ?? Number.POSITIVE_INFINITY;
    if (!(limit >= 0)) checkNumber(limit, LIMITS[k]!, { min: 0, max: Number.POSITIVE_INFINITY });
    bounds[4 + k] = limit;
  }
  return bounds;
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
