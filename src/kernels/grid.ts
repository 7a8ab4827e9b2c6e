import { checkNumber } from '../core/check.js';
import { alignUp, type Span } from './arena.js';
import {
  BOUNDS,
  checkShape,
  fillAxes,
  fillBounds,
  fillWeights,
  type GridBound,
  type GridLimits,
  type GridReferences,
  type GridRequest,
  type GridShape,
  type GridWeights,
  MAX_GRID_TOP,
  placeOfBound,
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
export { LIMIT_OF } from './grid-tables.js';

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
  const grid = new Grid(kernels, request, request.top);
  try {
    return grid.search(request);
  } finally {
    grid.dispose();
  }
}

/**
 * A grid that more than one question is asked of. Its tables lie in the kernels' memory until `dispose`, and what no
 * question changes is worked out once. See {@link searchGrid}.
 */
export class Grid {
  readonly #kernels: Kernels;
  readonly #shape: GridShape;
  readonly #rows: number;
  readonly #columns: number;
  readonly #places: Places;
  readonly #span: Span;
  readonly #references: GridReferences;
  #weights: GridWeights | undefined;
  #tables: Tables;

  /**
   * @param top the most cells that a question may list
   * @throws VBO_ERR_ARGUMENT when an axis or a coefficient is out of its bounds, VBO_ERR_MEMORY
   */
  constructor(kernels: Kernels, shape: GridShape, top = 1) {
    checkNumber(top, 'top', { min: 1, max: MAX_GRID_TOP, integer: true });
    const { rows, columns } = checkShape(shape);
    this.#kernels = kernels;
    this.#shape = shape;
    this.#rows = rows;
    this.#columns = columns;
    this.#places = placesOf(rows, columns, top);
    this.#span = kernels.arena.allocate(this.#places.end);
    this.#tables = this.#views();
    this.#references = fillAxes(shape, this.#tables.rows, this.#tables.columns);
  }

  /** @throws VBO_ERR_ARGUMENT, VBO_ERR_MEMORY */
  search({ limits, weights, plateauTolerance, top, surface = false }: GridQuestion): GridResult {
    checkNumber(plateauTolerance, 'plateauTolerance', { min: 0, max: Number.MAX_VALUE });
    // Memory that is not shared moves when it grows, and leaves empty views behind.
    if (this.#tables.rows.length === 0) this.#tables = this.#views();
    const tables = this.#tables;
    if (this.#weights !== weights) {
      fillWeights(this.#shape, weights, this.#references, tables.rows);
      this.#weights = weights;
    }
    fillBounds(this.#shape, limits, tables.bounds);
    const feasibleCells = this.#run(plateauTolerance, top);
    const ok = feasibleCells > 0;
    const plateau = this.#cell(3);
    const violated = violations(this.#shape, limits, plateau);
    const topCells: GridCell[] = [];
    for (let k = 0; k < tables.words[1]!; k++) topCells.push(this.#cell(FIXED_CELLS + k));
    return {
      status: ok ? 'ok' : 'infeasible',
      feasibleCells,
      best: ok ? this.#cell(0) : null,
      plateau: ok ? this.#cell(1) : null,
      top: topCells,
      unlimited: { best: this.#cell(2), plateau },
      binding: violated[0]?.bound ?? 'none',
      violated,
      references: this.#references,
      surface: surface ? this.#surface() : null,
    };
  }

  /** The plateau cell of the search just made, with one of its limits lifted. */
  plateauWithout(bound: GridBound, { plateauTolerance, top }: GridQuestion): GridCell | null {
    const { bounds } = this.#tables;
    const at = placeOfBound(bound);
    const limit = bounds[at]!;
    bounds[at] = Number.POSITIVE_INFINITY;
    const feasibleCells = this.#run(plateauTolerance, top);
    bounds[at] = limit;
    return feasibleCells > 0 ? this.#cell(1) : null;
  }

  /** Gives the memory back. The grid cannot be asked afterwards. */
  dispose(): void {
    this.#kernels.arena.free(this.#span);
  }

  #run(plateauTolerance: number, top: number): number {
    const { pointer } = this.#span;
    const { columns, bounds, scratch, result } = this.#places;
    return this.#kernels.exports.searchGrid(
      this.#rows,
      this.#columns,
      pointer,
      pointer + columns,
      pointer + bounds,
      1 + plateauTolerance,
      top,
      pointer + scratch,
      pointer + result,
    );
  }

  #views(): Tables {
    const { arena } = this.#kernels;
    const { pointer } = this.#span;
    const { columns, bounds, result, end } = this.#places;
    const { buffer } = arena.memory;
    const isAsBefore =
      latest?.rows.buffer === buffer &&
      latest.rows.byteOffset === pointer &&
      latest.rows.length === 6 * this.#rows &&
      latest.columns.length === 3 * this.#columns &&
      latest.words.length === (end - result) / 4;
    if (isAsBefore) return latest!;
    latest = {
      rows: arena.float64(pointer, 6 * this.#rows),
      columns: arena.float64(pointer + columns, 3 * this.#columns),
      bounds: arena.float64(pointer + bounds, BOUNDS),
      words: arena.int32(pointer + result, (end - result) / 4),
      costs: arena.float64(pointer + result, (end - result) / 8),
    };
    return latest;
  }

  #cell(index: number): GridCell {
    const { rows, columns, words, costs } = this.#tables;
    const at = HEADER_BYTES + index * CELL_BYTES;
    const row = words[at / 4]!;
    const column = words[at / 4 + 1]!;
    const { baseBytes, perVectorBytes } = this.#shape.memory;
    const batchSize = rows[row]!;
    const concurrency = columns[column]!;
    const latencyMs = rows[this.#rows + row]! * columns[this.#columns + column]!;
    return {
      batchSize,
      concurrency,
      cost: costs[at / 8 + 1]!,
      latencyMs,
      vectorsPerSecond: (1000 * batchSize * concurrency) / latencyMs,
      memoryBytes: baseBytes + perVectorBytes * (batchSize * concurrency),
    };
  }

  /** Of the limits and weights of the last search. */
  #surface(): Float64Array {
    const { arena, exports } = this.#kernels;
    const rows = this.#rows;
    const columns = this.#columns;
    const { pointer } = this.#span;
    const target = arena.allocate(8 * rows * columns);
    try {
      const limits = pointer + this.#places.scratch + 16 * rows;
      exports.costSurface(rows, columns, pointer, pointer + this.#places.columns, limits, target.pointer);
      return new Float64Array(arena.float64(target.pointer, rows * columns));
    } finally {
      arena.free(target);
    }
  }
}

/**
 * The views that were made last. The next grid is mostly of the same shape and in the same place, and making them takes
 * as long as a search.
 */
let latest: Tables | undefined;

/** Views of a grid's span. */
interface Tables {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly bounds: Float64Array;
  /** The result, as numbers of cells and places in the axes, and as costs. */
  readonly words: Int32Array;
  readonly costs: Float64Array;
}

/** Where the pieces of a grid's span lie, 64-byte aligned, bytes from its start; the row table comes first. */
interface Places {
  readonly columns: number;
  readonly bounds: number;
  readonly scratch: number;
  readonly result: number;
  readonly end: number;
}

function placesOf(rows: number, columnCount: number, top: number): Places {
  const columns = alignUp(48 * rows);
  const bounds = columns + alignUp(24 * columnCount);
  const scratch = bounds + alignUp(8 * BOUNDS);
  const scratchBytes = 16 * rows + alignUp(4 * rows) + 48 * Math.ceil(columnCount / 64);
  const result = scratch + alignUp(scratchBytes);
  const end = result + alignUp(HEADER_BYTES + (FIXED_CELLS + top) * CELL_BYTES);
  return { columns, bounds, scratch, result, end };
}

/** The limits that a cell passes, by needed / allowed, largest first; of equals in the order written here. */
export function violations(
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
