import { checkNumber } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { alignUp } from './arena.js';
import type { Kernels } from './kernels.js';

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

export interface GridCell {
  readonly batchSize: number;
  readonly concurrency: number;
  /** Weighted sum of the terms, each relative to {@link GridResult.references}. */
  readonly cost: number;
  readonly latencyMs: number;
  readonly vectorsPerSecond: number;
  readonly memoryBytes: number;
}

/** The values of the grid's fastest cell (limits ignored), against which every term of the cost is held. */
export interface GridReferences {
  readonly msPerVector: number;
  readonly latencyMs: number;
  readonly memoryBytes: number;
  readonly requestsPerVector: number;
}

export interface GridResult {
  /** `infeasible`: no cell obeys the limits; `best` and `plateau` are null and `top` is empty. */
  readonly status: 'ok' | 'infeasible';
  readonly feasibleCells: number;
  /** The cheapest feasible cell; of equals the smallest batch, then the smallest concurrency. */
  readonly best: GridCell | null;
  /** Of the feasible cells within the tolerance the one with the fewest vectors in flight. */
  readonly plateau: GridCell | null;
  /** The cheapest feasible cells in order. */
  readonly top: readonly GridCell[];
  /** `best` and `plateau` if there were no limits. */
  readonly unlimited: { readonly best: GridCell; readonly plateau: GridCell };
  /** The limit that the unlimited plateau cell passes by the largest factor; `none` if it is feasible. */
  readonly binding: GridBound | 'none';
  /** Every limit that cell passes, with the factor needed / allowed, largest first. */
  readonly violated: readonly { readonly bound: GridBound; readonly factor: number }[];
  readonly references: GridReferences;
  /** Row-major batchSizes x concurrencies on request; Infinity where infeasible. */
  readonly surface: Float64Array | null;
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

const CELL_BYTES = 16;
const HEADER_BYTES = 8;
/** Best, plateau and the unlimited two. */
const FIXED_CELLS = 4;

/**
 * Searches every cell of the grid:
 *
 * ```
 * cost(b, c) = throughput * msPerVector(b, c) / reference  +  latency * latencyMs(b, c) / reference
 *            + memory * memoryBytes(b, c) / reference      +  requests * (1 / b) / reference
 * ```
 *
 * The references are the values of the grid's fastest cell, limits ignored: there each term is exactly its weight, and a cost
 * is a weighted mean of "times the fastest cell's" when the weights sum to 1.
 *
 * Synchronous: 4096 x 256 cells take below a millisecond.
 * @throws VBO_ERR_ARGUMENT when an axis, weight or coefficient is out of its bounds.
 * @throws VBO_ERR_MEMORY when the scratch memory cannot be had.
 */
export function searchGrid(kernels: Kernels, request: GridRequest): GridResult {
  checkNumber(request.top, 'top', { min: 1, max: MAX_GRID_TOP, integer: true });
  checkNumber(request.plateauTolerance, 'plateauTolerance', { min: 0, max: Number.MAX_VALUE });
  const tables = gridTables(request);
  const { rows, columns } = tables;
  const { arena } = kernels;
  const rowBytes = rows * 8;
  const resultBytes = HEADER_BYTES + (FIXED_CELLS + request.top) * CELL_BYTES;
  const offsets = layOut({
    rowTable: 6 * rowBytes,
    columnTable: 24 * columns,
    bounds: 80,
    scratch: 2 * rowBytes + alignUp(4 * rows) + 24 * 2 * Math.ceil(columns / 64),
    result: resultBytes,
    surface: request.surface ? 8 * rows * columns : 0,
  });
  const span = arena.allocate(offsets.end);
  try {
    const rowTable = span.pointer + offsets.rowTable;
    const columnTable = span.pointer + offsets.columnTable;
    const bounds = span.pointer + offsets.bounds;
    const scratch = span.pointer + offsets.scratch;
    const result = span.pointer + offsets.result;
    arena.float64(rowTable, 6 * rows).set(tables.rowTable);
    arena.float64(columnTable, 3 * columns).set(tables.columnTable);
    arena.float64(bounds, 10).set(tables.bounds);
    const feasibleCells = kernels.exports.searchGrid(
      rows,
      columns,
      rowTable,
      columnTable,
      bounds,
      1 + request.plateauTolerance,
      request.top,
      scratch,
      result,
    );
    let surface: Float64Array | null = null;
    if (request.surface) {
      const target = span.pointer + offsets.surface;
      kernels.exports.costSurface(rows, columns, rowTable, columnTable, scratch + 2 * rowBytes, target);
      surface = new Float64Array(arena.float64(target, rows * columns));
    }
    const cellAt = (index: number): GridCell => {
      const pointer = result + HEADER_BYTES + index * CELL_BYTES;
      const [row, column] = arena.int32(pointer, 2);
      return describeCell(request, tables, row!, column!, arena.float64(pointer + 8, 1)[0]!);
    };
    const topCount = arena.int32(result, 2)[1]!;
    const ok = feasibleCells > 0;
    const unlimited = { best: cellAt(2), plateau: cellAt(3) };
    const violated = violations(request, unlimited.plateau);
    return {
      status: ok ? 'ok' : 'infeasible',
      feasibleCells,
      best: ok ? cellAt(0) : null,
      plateau: ok ? cellAt(1) : null,
      top: Array.from({ length: topCount }, (_, k) => cellAt(FIXED_CELLS + k)),
      unlimited,
      binding: violated[0]?.bound ?? 'none',
      violated,
      references: tables.references,
      surface,
    };
  } finally {
    arena.free(span);
  }
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
    checkNumber(values[i], `${name}[${i}]`, { min: least, max: Number.MAX_SAFE_INTEGER });
    least = values[i]!;
  }
  return values.length;
}

/** 64-byte aligned offsets of named pieces, in order, and their `end`. */
function layOut<K extends string>(bytes: Record<K, number>): Record<K | 'end', number> {
  const offsets = { end: 0 } as Record<K | 'end', number>;
  for (const name of Object.keys(bytes) as K[]) {
    offsets[name] = offsets.end as Record<K | 'end', number>[K];
    offsets.end = (Math.ceil((offsets.end + bytes[name]) / 64) * 64) as Record<K | 'end', number>['end'];
  }
  return offsets;
}

function describeCell(
  request: GridRequest,
  tables: GridTables,
  row: number,
  column: number,
  cost: number,
): GridCell {
  const batchSize = tables.rowTable[row]!;
  const concurrency = tables.columnTable[column]!;
  const latencyMs = tables.rowTable[tables.rows + row]! * tables.columnTable[tables.columns + column]!;
  const { baseBytes, perVectorBytes } = request.memory;
  return {
    batchSize,
    concurrency,
    cost,
    latencyMs,
    vectorsPerSecond: (1000 * batchSize * concurrency) / latencyMs,
    memoryBytes: baseBytes + perVectorBytes * (batchSize * concurrency),
  };
}

/** The limits that a cell passes, by needed / allowed, largest first; of equals in the order written here. */
function violations(request: GridRequest, cell: GridCell): { bound: GridBound; factor: number }[] {
  const { limits, wire } = request;
  const needs: [GridBound, number, number | undefined][] = [
    ['memory', cell.memoryBytes, limits.maxMemoryBytes],
    ['request_bytes', wire.perRequestBytes + wire.perVectorBytes * cell.batchSize, limits.maxRequestBytes],
    ['rows', cell.batchSize, limits.maxRows],
    ['latency', cell.latencyMs, limits.maxLatencyMs],
    ['concurrency', cell.concurrency, limits.maxConcurrency],
    ['items', cell.batchSize * cell.concurrency, limits.itemCount],
  ];
  return needs
    .filter(([, needed, allowed]) => allowed !== undefined && needed > allowed)
    .map(([bound, needed, allowed]) => ({ bound, factor: needed / allowed! }))
    .sort((a, b) => b.factor - a.factor);
}
