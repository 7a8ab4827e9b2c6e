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

/** The arrays that the kernel reads; see `assembly/grid.ts` for their meaning. */
export interface GridTables {
  readonly rows: number;
  readonly columns: number;
  /** b, service, P, Q, R, S: 6 x rows. */
  readonly rowTable: Float64Array;
  /** c, v, u: 3 x columns. */
  readonly columnTable: Float64Array;
  /** Ten numbers: memory base and per vector, request base and per vector, then the six limits. */
  readonly bounds: Float64Array;
  readonly references: GridReferences;
}

/**
 * The separable form of a request, and its checks.
 * @throws VBO_ERR_ARGUMENT as {@link searchGrid}.
 */
export function gridTables(request: GridRequest): GridTables {
  const { model, memory, wire, limits, weights } = request;
  const rows = checkAxis(request.batchSizes, 'batchSizes', MAX_GRID_ROWS);
  const columns = checkAxis(request.concurrencies, 'concurrencies', MAX_GRID_COLUMNS);
  for (const group of [model, memory, wire, weights]) {
    for (const [name, value] of Object.entries(group)) checkNumber(value, name, { min: 0, max: 1e300 });
  }
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined) checkNumber(value, name, { min: 0, max: Number.POSITIVE_INFINITY });
  }
  if (!(weights.throughput + weights.latency + weights.memory + weights.requests > 0)) {
    throw new VectorBatchError('VBO_ERR_ARGUMENT', 'All weights are 0; expected at least one above 0.');
  }

  const columnTable = new Float64Array(3 * columns);
  let fastestColumn = 0;
  for (let j = 0; j < columns; j++) {
    const c = request.concurrencies[j]!;
    const contention = 1 + model.sigma * (c - 1) + model.kappa * c * (c - 1);
    columnTable[j] = c;
    columnTable[columns + j] = contention;
    columnTable[2 * columns + j] = contention / c;
    if (contention / c < columnTable[2 * columns + fastestColumn]!) fastestColumn = j;
  }

  const rowTable = new Float64Array(6 * rows);
  let fastestRow = 0;
  for (let i = 0; i < rows; i++) {
    const b = request.batchSizes[i]!;
    const service = model.fixedMs + model.perVectorMs * b + model.superLinearMs * b * Math.log2(b);
    rowTable[i] = b;
    rowTable[rows + i] = service;
    if (service / b < rowTable[rows + fastestRow]! / rowTable[fastestRow]!) fastestRow = i;
  }

  const fastestBatch = rowTable[fastestRow]!;
  const service = rowTable[rows + fastestRow]!;
  const inFlight = fastestBatch * columnTable[fastestColumn]!;
  const references: GridReferences = {
    msPerVector: (service / fastestBatch) * columnTable[2 * columns + fastestColumn]!,
    latencyMs: service * columnTable[columns + fastestColumn]!,
    memoryBytes: memory.baseBytes + memory.perVectorBytes * inFlight,
    requestsPerVector: 1 / fastestBatch,
  };
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

  const unbounded = Number.POSITIVE_INFINITY;
  return {
    rows,
    columns,
    rowTable,
    columnTable,
    bounds: Float64Array.of(
      memory.baseBytes,
      memory.perVectorBytes,
      wire.perRequestBytes,
      wire.perVectorBytes,
      limits.maxMemoryBytes ?? unbounded,
      limits.maxRequestBytes ?? unbounded,
      limits.maxRows ?? unbounded,
      limits.maxLatencyMs ?? unbounded,
      limits.maxConcurrency ?? unbounded,
      limits.itemCount ?? unbounded,
    ),
    references,
  };
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
