import type { GridBound, GridRequest, GridTables } from '../../src/kernels/grid-tables.js';

export interface ReferenceCell {
  batchSize: number;
  concurrency: number;
  cost: number;
}

export interface ReferenceResult {
  feasibleCells: number;
  best: ReferenceCell | null;
  plateau: ReferenceCell | null;
  top: ReferenceCell[];
  unlimited: { best: ReferenceCell; plateau: ReferenceCell };
  binding: GridBound | 'none';
  surface: Float64Array;
}

/** Which limits a setting passes, with the factor needed / allowed. */
export function passedLimits(
  request: GridRequest,
  batchSize: number,
  concurrency: number,
): [GridBound, number][] {
  const { model, limits, memory, wire } = request;
  const service =
    model.fixedMs + model.perVectorMs * batchSize + model.superLinearMs * batchSize * Math.log2(batchSize);
  const contention = 1 + model.sigma * (concurrency - 1) + model.kappa * concurrency * (concurrency - 1);
  const needed: [GridBound, number, number | undefined][] = [
    ['memory', memory.baseBytes + memory.perVectorBytes * (batchSize * concurrency), limits.maxMemoryBytes],
    ['request_bytes', wire.perRequestBytes + wire.perVectorBytes * batchSize, limits.maxRequestBytes],
    ['rows', batchSize, limits.maxRows],
    ['latency', service * contention, limits.maxLatencyMs],
    ['concurrency', concurrency, limits.maxConcurrency],
    ['items', batchSize * concurrency, limits.itemCount],
  ];
  return needed
    .filter(([, value, limit]) => limit !== undefined && value > limit)
    .map(([bound, value, limit]) => [bound, value / limit!]);
}

/** Every cell, one after the other. */
export function searchGridReference(request: GridRequest, tables: GridTables): ReferenceResult {
  const { rows, columns, rowTable, columnTable } = tables;
  const feasible: ReferenceCell[] = [];
  const all: ReferenceCell[] = [];
  const surface = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const [batchSize, , p, q, r, s] = [0, 1, 2, 3, 4, 5].map((k) => rowTable[k * rows + i]!) as number[];
    for (let j = 0; j < columns; j++) {
      const [concurrency, v, u] = [0, 1, 2].map((k) => columnTable[k * columns + j]!) as number[];
      const cost = p! * u! + q! * v! + r! * concurrency! + s!;
      const cell = { batchSize: batchSize!, concurrency: concurrency!, cost };
      all.push(cell);
      const allowed = passedLimits(request, batchSize!, concurrency!).length === 0;
      if (allowed) feasible.push(cell);
      surface[i * columns + j] = allowed ? cost : Number.POSITIVE_INFINITY;
    }
  }
  const unlimited = { best: cheapest(all)!, plateau: plateau(all, request.plateauTolerance)! };
  const passed = passedLimits(request, unlimited.plateau.batchSize, unlimited.plateau.concurrency);
  let binding: ReferenceResult['binding'] = 'none';
  let largest = 0;
  for (const [bound, factor] of passed) {
    if (factor > largest) {
      binding = bound;
      largest = factor;
    }
  }
  return {
    feasibleCells: feasible.length,
    best: cheapest(feasible),
    plateau: plateau(feasible, request.plateauTolerance),
    // Array.prototype.sort is stable: equals keep the order of rows and columns.
    top: [...feasible].sort((a, b) => a.cost - b.cost).slice(0, request.top),
    unlimited,
    binding,
    surface,
  };
}

function cheapest(cells: ReferenceCell[]): ReferenceCell | null {
  let best: ReferenceCell | null = null;
  for (const cell of cells) if (!best || cell.cost < best.cost) best = cell;
  return best;
}

function plateau(cells: ReferenceCell[], tolerance: number): ReferenceCell | null {
  const threshold = (cheapest(cells)?.cost ?? 0) * (1 + tolerance);
  let smallest: ReferenceCell | null = null;
  for (const cell of cells) {
    if (cell.cost > threshold) continue;
    if (!smallest || cell.batchSize * cell.concurrency < smallest.batchSize * smallest.concurrency) {
      smallest = cell;
    }
  }
  return smallest;
}
