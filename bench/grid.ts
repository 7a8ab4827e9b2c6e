import { type GridRequest, searchGrid } from '../src/kernels/grid.js';
import { type GridTables, gridTables } from '../src/kernels/grid-tables.js';
import type { KernelCall, Kernels } from '../src/kernels/kernels.js';
import { batchSizeAxis, concurrencyAxis } from '../src/optimizer/axes.js';
import { RateSurface } from '../src/optimizer/rate-surface.js';
import { PLATEAU_TOLERANCE, WEIGHTS } from '../src/optimizer/search.js';
import { type BenchOptions, type Case, compare } from './harness.js';

const ROWS = 4096;
const COLUMNS = 256;

const REQUEST: GridRequest = {
  model: { fixedMs: 2, perVectorMs: 0.01, superLinearMs: 0.0005, sigma: 0.03, kappa: 0.001 },
  batchSizes: Float64Array.from({ length: ROWS }, (_, i) => i + 1),
  concurrencies: Float64Array.from({ length: COLUMNS }, (_, j) => j + 1),
  memory: { baseBytes: 1e6, perVectorBytes: 6000 },
  wire: { perVectorBytes: 7000, perRequestBytes: 100 },
  limits: { maxMemoryBytes: 256e6, maxRequestBytes: 25e6, maxLatencyMs: 500 },
  weights: { throughput: 0.25, latency: 0.25, memory: 0.25, requests: 0.25 },
  plateauTolerance: 0.03,
  top: 8,
};

/** The whole search, tables and result included, and the kernel alone, against two ways to write it in JS. */
export async function gridCases(kernels: Kernels, options: BenchOptions): Promise<Case[]> {
  const input = `${ROWS} x ${COLUMNS} cells, 4 weights, 3 limits`;
  const call = captureKernelCall(kernels);
  const tables = gridTables(REQUEST);
  const perCell = { name: 'JS, the model per cell', run: () => searchPerCell(REQUEST) };
  const separable = { name: 'JS, separable, every cell', run: () => searchSeparable(tables, false) };
  const pruned = { name: 'JS, separable, pruned alike', run: () => searchSeparable(tables, true) };
  const kernel = { name: 'searchGrid, kernel', input, run: () => kernels.call(call) };
  const whole = { name: 'searchGrid, request to result', input, run: () => searchGrid(kernels, REQUEST) };
  const cases: Case[] = [];
  for (const subject of [kernel, whole]) {
    for (const baseline of [perCell, separable, pruned]) {
      cases.push(await compare({ ...subject, baseline }, options));
    }
  }
  cases.push(await rateAlone(kernels, options));
  return cases;
}

/** The grid of a recommendation, where only the rate counts: the walk along the fastest concurrencies against the kernel. */
function rateAlone(kernels: Kernels, options: BenchOptions): Promise<Case> {
  const limits = { maxMemoryBytes: 256e6, maxRequestBytes: 25e6, maxConcurrency: 16 };
  const batchSizes = batchSizeAxis([1000]);
  const concurrencies = concurrencyAxis();
  const shape = { ...REQUEST, batchSizes, concurrencies, limits, top: 1 };
  const request = { ...shape, weights: WEIGHTS.performance, plateauTolerance: PLATEAU_TOLERANCE };
  return compare(
    {
      name: 'rate alone, walk',
      input: `${batchSizes.length} x ${concurrencies.length} cells, ${Object.keys(limits).length} limits`,
      run: () => new RateSurface(shape).search(limits, PLATEAU_TOLERANCE),
      baseline: { name: 'searchGrid, request to result', run: () => searchGrid(kernels, request) },
    },
    options,
  );
}

/** The kernel call that the wrapper makes. Its memory is freed again, and stays as it is until the next search. */
function captureKernelCall(kernels: Kernels): KernelCall {
  let args: number[] = [];
  const spied = Object.create(kernels, {
    exports: {
      value: {
        searchGrid: (...given: number[]) => {
          args = given;
          return kernels.call({ name: 'searchGrid', args: given, workBytes: 0 });
        },
      },
    },
    arena: { value: kernels.arena },
  }) as Kernels;
  searchGrid(spied, REQUEST);
  return { name: 'searchGrid', args, workBytes: 0 };
}

/** The straightforward search: best feasible cell only, no plateau, no list. */
function searchPerCell(request: GridRequest): number {
  const { model, weights, memory, wire, limits } = request;
  const latency = (b: number, c: number) =>
    (model.fixedMs + model.perVectorMs * b + model.superLinearMs * b * Math.log2(b)) *
    (1 + model.sigma * (c - 1) + model.kappa * c * (c - 1));
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROWS; i++) {
    const b = request.batchSizes[i]!;
    for (let j = 0; j < COLUMNS; j++) {
      const c = request.concurrencies[j]!;
      const ms = latency(b, c);
      const bytes = memory.baseBytes + memory.perVectorBytes * b * c;
      if (bytes > limits.maxMemoryBytes! || ms > limits.maxLatencyMs!) continue;
      if (wire.perRequestBytes + wire.perVectorBytes * b > limits.maxRequestBytes!) continue;
      const cost =
        (weights.throughput * ms) / (b * c) +
        weights.latency * ms +
        weights.memory * bytes +
        weights.requests / b;
      if (cost < best) best = cost;
    }
  }
  return best;
}

const TILE = 32;

/** What the kernel does up to the row minima, feasible and free, with or without passing over tiles of columns. */
function searchSeparable(tables: GridTables, prune: boolean): number {
  const { rowTable, columnTable, bounds } = tables;
  const tileTerms = tileTable(columnTable);
  const tiles = COLUMNS / TILE;
  const start = prune ? 2560 : 0;
  let best = Number.POSITIVE_INFINITY;
  let freeBest = Number.POSITIVE_INFINITY;
  for (let step = 0; step < ROWS; step++) {
    const i = step <= start ? start - step : step;
    const b = rowTable[i]!;
    const service = rowTable[ROWS + i]!;
    const p = rowTable[2 * ROWS + i]!;
    const q = rowTable[3 * ROWS + i]!;
    const r = rowTable[4 * ROWS + i]!;
    const s = rowTable[5 * ROWS + i]!;
    let limit = 0;
    if (bounds[2]! + bounds[3]! * b <= bounds[5]!) {
      while (
        limit < COLUMNS &&
        bounds[0]! + bounds[1]! * (b * columnTable[limit]!) <= bounds[4]! &&
        service * columnTable[COLUMNS + limit]! <= bounds[7]!
      ) {
        limit++;
      }
    }
    const threshold = (best - s) * 1.03;
    const freeThreshold = (freeBest - s) * 1.03;
    let least = Number.POSITIVE_INFINITY;
    let free = Number.POSITIVE_INFINITY;
    for (let t = 0; t < tiles; t++) {
      const lower = p * tileTerms[2 * tiles + t]! + q * tileTerms[tiles + t]! + r * tileTerms[t]!;
      if (prune && lower > threshold) continue;
      const end = (t + 1) * TILE;
      const split = Math.min(limit, end);
      let j = t * TILE;
      for (; j < split; j++) {
        const cost = p * columnTable[2 * COLUMNS + j]! + q * columnTable[COLUMNS + j]! + r * columnTable[j]!;
        if (cost < least) least = cost;
      }
      if (prune && lower > freeThreshold) continue;
      for (; j < end; j++) {
        const cost = p * columnTable[2 * COLUMNS + j]! + q * columnTable[COLUMNS + j]! + r * columnTable[j]!;
        if (cost < free) free = cost;
      }
    }
    best = Math.min(best, least + s);
    freeBest = Math.min(freeBest, least + s, free + s);
  }
  return best + freeBest;
}

/** The least c, v and u of each tile of columns. */
function tileTable(columnTable: Float64Array): Float64Array {
  const terms = new Float64Array((3 * COLUMNS) / TILE);
  for (let t = 0; t < terms.length; t++)
    terms[t] = Math.min(...columnTable.subarray(t * TILE, (t + 1) * TILE));
  return terms;
}
