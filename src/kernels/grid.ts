import { checkNumber } from '../core/check.js';
import { alignUp } from './arena.js';
import {
  boundsOf,
  type GridAxes,
  type GridBound,
  type GridLimits,
  type GridReferences,
  type GridRequest,
  type GridShape,
  type GridWeights,
  gridAxes,
  MAX_GRID_TOP,
  weighRows,
} from './grid-tables.js';
import type { Kernels } from './kernels.js';

export type {
  GridBound,
  GridLimits,
  GridModel,
  GridReferences,
  GridRequest,
  GridShape,
  GridWeights,
} from './grid-tables.js';

/** What is asked of a grid. */
export type GridQuestion = Omit<GridRequest, keyof GridShape>;

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
  return new Grid(kernels, request).search(request);
}

/** A grid that more than one question is asked of: what no question changes is worked out once. See {@link searchGrid}. */
export class Grid {
  readonly #kernels: Kernels;
  readonly #shape: GridShape;
  readonly #axes: GridAxes;
  #weighted: { weights: GridWeights; rowTable: Float64Array } | undefined;

  /** @throws VBO_ERR_ARGUMENT when an axis or a coefficient is out of its bounds */
  constructor(kernels: Kernels, shape: GridShape) {
    this.#kernels = kernels;
    this.#shape = shape;
    this.#axes = gridAxes(shape);
  }

  /** @throws VBO_ERR_ARGUMENT, VBO_ERR_MEMORY */
  search({
    limits,
    weights,
    plateauTolerance,
    top,
    surface: wantsSurface = false,
  }: GridQuestion): GridResult {
    checkNumber(top, 'top', { min: 1, max: MAX_GRID_TOP, integer: true });
    checkNumber(plateauTolerance, 'plateauTolerance', { min: 0, max: Number.MAX_VALUE });
    const { rows, columns, columnTable, references } = this.#axes;
    const rowTable = this.#weigh(weights);
    const bounds = boundsOf(this.#shape, limits);
    const { arena, exports } = this.#kernels;

    // Pieces of one span, 64-byte aligned, in this order.
    const columnsAt = alignUp(48 * rows);
    const boundsAt = columnsAt + alignUp(24 * columns);
    const scratchAt = boundsAt + alignUp(8 * bounds.length);
    const resultAt = scratchAt + alignUp(16 * rows + alignUp(4 * rows) + 48 * Math.ceil(columns / 64));
    const surfaceAt = resultAt + alignUp(HEADER_BYTES + (FIXED_CELLS + top) * CELL_BYTES);
    const span = arena.allocate(surfaceAt + (wantsSurface ? 8 * rows * columns : 0));
    try {
      const floats = arena.float64(span.pointer, span.byteLength / 8);
      floats.set(rowTable);
      floats.set(columnTable, columnsAt / 8);
      floats.set(bounds, boundsAt / 8);
      const [rowsPointer, columnsPointer] = [span.pointer, span.pointer + columnsAt];
      const [scratch, result] = [span.pointer + scratchAt, span.pointer + resultAt];
      const feasibleCells = exports.searchGrid(
        ...[rows, columns, rowsPointer, columnsPointer, span.pointer + boundsAt],
        ...[1 + plateauTolerance, top, scratch, result],
      );
      let surface: Float64Array | null = null;
      if (wantsSurface) {
        const target = span.pointer + surfaceAt;
        exports.costSurface(rows, columns, rowsPointer, columnsPointer, scratch + 16 * rows, target);
        surface = new Float64Array(arena.float64(target, rows * columns));
      }
      const words = arena.int32(result, (surfaceAt - resultAt) / 4);
      const cellAt = (index: number): GridCell => {
        const at = HEADER_BYTES + index * CELL_BYTES;
        return this.#describe(words[at / 4]!, words[at / 4 + 1]!, floats[(resultAt + at) / 8 + 1]!);
      };
      const ok = feasibleCells > 0;
      const unlimited = { best: cellAt(2), plateau: cellAt(3) };
      const violated = violations(this.#shape, limits, unlimited.plateau);
      const topCells: GridCell[] = [];
      for (let k = 0; k < words[1]!; k++) topCells.push(cellAt(FIXED_CELLS + k));
      return {
        status: ok ? 'ok' : 'infeasible',
        feasibleCells,
        best: ok ? cellAt(0) : null,
        plateau: ok ? cellAt(1) : null,
        top: topCells,
        unlimited,
        binding: violated[0]?.bound ?? 'none',
        violated,
        references,
        surface,
      };
    } finally {
      arena.free(span);
    }
  }

  #weigh(weights: GridWeights): Float64Array {
    if (this.#weighted?.weights !== weights) {
      this.#weighted = { weights, rowTable: weighRows(this.#axes, this.#shape.memory, weights) };
    }
    return this.#weighted.rowTable;
  }

  #describe(row: number, column: number, cost: number): GridCell {
    const { rows, columns, services, columnTable } = this.#axes;
    const { baseBytes, perVectorBytes } = this.#shape.memory;
    const batchSize = services[row]!;
    const concurrency = columnTable[column]!;
    const latencyMs = services[rows + row]! * columnTable[columns + column]!;
    return {
      batchSize,
      concurrency,
      cost,
      latencyMs,
      vectorsPerSecond: (1000 * batchSize * concurrency) / latencyMs,
      memoryBytes: baseBytes + perVectorBytes * (batchSize * concurrency),
    };
  }
}

/** The limits that a cell passes, by needed / allowed, largest first; of equals in the order written here. */
function violations(
  { wire }: GridShape,
  limits: GridLimits,
  cell: GridCell,
): { bound: GridBound; factor: number }[] {
  const violated: { bound: GridBound; factor: number }[] = [];
  const hold = (bound: GridBound, needed: number, allowed: number | undefined): void => {
    if (allowed !== undefined && needed > allowed) violated.push({ bound, factor: needed / allowed });
  };
  hold('memory', cell.memoryBytes, limits.maxMemoryBytes);
  hold('request_bytes', wire.perRequestBytes + wire.perVectorBytes * cell.batchSize, limits.maxRequestBytes);
  hold('rows', cell.batchSize, limits.maxRows);
  hold('latency', cell.latencyMs, limits.maxLatencyMs);
  hold('concurrency', cell.concurrency, limits.maxConcurrency);
  hold('items', cell.batchSize * cell.concurrency, limits.itemCount);
  return violated.sort((a, b) => b.factor - a.factor);
}
