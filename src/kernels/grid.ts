import { checkNumber } from '../core/check.js';
import { alignUp } from './arena.js';
import {
  type GridBound,
  type GridReferences,
  type GridRequest,
  type GridTables,
  gridTables,
  MAX_GRID_TOP,
} from './grid-tables.js';
import type { Kernels } from './kernels.js';

export type {
  GridBound,
  GridLimits,
  GridModel,
  GridReferences,
  GridRequest,
  GridWeights,
} from './grid-tables.js';

export interface GridCell {
  readonly batchSize: number;
  readonly concurrency: number;
  /** Weighted sum of the terms, each relative to {@link GridResult.references}. */
  readonly cost: number;
  readonly latencyMs: number;
  readonly vectorsPerSecond: number;
  readonly memoryBytes: number;
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
