import {
  type GridBound,
  type GridCell,
  type GridLimits,
  type GridReferences,
  type GridResult,
  type GridShape,
  LIMIT_OF,
  violations,
} from '../kernels/grid.js';
import { contention, serviceMs } from '../model/cost.js';

/** What a search of the rate alone finds, as the grid does. */
export type RateResult = Pick<GridResult, 'best' | 'plateau' | 'unlimited' | 'binding' | 'violated'>;

/**
 * The grid search where the rate alone counts. Its cost is a product, of the time per vector of a batch size and of what a
 * concurrency leaves of it, so that no concurrency past the fastest is of interest and a few cells are left. What it
 * answers is what the kernel would, in half of the time: a service asks it between other work, when nothing is cached.
 */
export class RateSurface {
  /** Values of the fastest cell, limits ignored. */
  readonly references: GridReferences;
  readonly #shape: GridShape;
  /** Of each batch size: time of a request alone, and time per vector over that of the fastest cell. */
  readonly #service: number[] = [];
  readonly #perVector: number[] = [];
  /** Of each concurrency up to the fastest: how requests slow each other down, altogether and per request. */
  readonly #contention: number[] = [];
  readonly #perRequest: number[] = [];

  constructor(shape: GridShape) {
    this.#shape = shape;
    const { model, batchSizes, concurrencies, memory } = shape;
    const perRequest = this.#perRequest;
    let fastestColumn = 0;
    for (let column = 0; column < concurrencies.length; column++) {
      const slowdown = contention(model, concurrencies[column]!);
      const share = slowdown / concurrencies[column]!;
      // It falls to the fastest and rises from there, by more than rounding.
      if (share > 1.000001 * (perRequest[fastestColumn] ?? share)) break;
      this.#contention.push(slowdown);
      perRequest.push(share);
      if (share < perRequest[fastestColumn]!) fastestColumn = column;
    }
    perRequest.length = fastestColumn + 1;
    const service = this.#service;
    let fastestRow = 0;
    for (let row = 0; row < batchSizes.length; row++) {
      service.push(serviceMs(model, batchSizes[row]!));
      if (service[row]! / batchSizes[row]! < service[fastestRow]! / batchSizes[fastestRow]!) fastestRow = row;
    }
    const batchSize = batchSizes[fastestRow]!;
    const msPerVector = (service[fastestRow]! / batchSize) * perRequest[fastestColumn]!;
    this.references = {
      msPerVector,
      latencyMs: service[fastestRow]! * this.#contention[fastestColumn]!,
      memoryBytes: memory.baseBytes + memory.perVectorBytes * (batchSize * concurrencies[fastestColumn]!),
      requestsPerVector: 1 / batchSize,
    };
    const weight = msPerVector > 0 ? 1 / msPerVector : 0;
    for (let row = 0; row < batchSizes.length; row++) {
      this.#perVector.push((weight * service[row]!) / batchSizes[row]!);
    }
  }

  /** The fastest cell within `limits`, and of those that take up to `tolerance` longer the one with the least in flight. */
  search(limits: GridLimits, tolerance: number): RateResult {
    const everything = new Array<number>(this.#service.length).fill(this.#perRequest.length);
    const free = this.#find(everything, tolerance)!;
    const found = this.#find(this.#reach(limits), tolerance);
    const violated = violations(this.#shape, limits, free.plateau);
    return {
      best: found?.best ?? null,
      plateau: found?.plateau ?? null,
      unlimited: free,
      binding: violated[0]?.bound ?? 'none',
      violated,
    };
  }

  /** The plateau cell with one of the limits lifted. */
  plateauWithout(bound: GridBound, limits: GridLimits, tolerance: number): GridCell | null {
    const reach = this.#reach({ ...limits, [LIMIT_OF[bound]]: undefined });
    return this.#find(reach, tolerance)?.plateau ?? null;
  }

  /** Among the first `reach[row]` concurrencies of each batch size; null if there are none. */
  #find(reach: readonly number[], tolerance: number): { best: GridCell; plateau: GridCell } | null {
    const { batchSizes, concurrencies } = this.#shape;
    const perVector = this.#perVector;
    const perRequest = this.#perRequest;
    let bestRow = -1;
    let bestColumn = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < reach.length; row++) {
      for (let column = 0; column < reach[row]!; column++) {
        const cost = perVector[row]! * perRequest[column]!;
        if (cost >= least) continue;
        least = cost;
        bestRow = row;
        bestColumn = column;
      }
    }
    if (bestRow < 0) return null;
    const most = least * (1 + tolerance);
    let row = bestRow;
    let column = bestColumn;
    let inFlight = Number.POSITIVE_INFINITY;
    for (let i = 0; i < reach.length; i++) {
      for (let j = 0; j < reach[i]! && batchSizes[i]! * concurrencies[j]! < inFlight; j++) {
        if (perVector[i]! * perRequest[j]! > most) continue;
        inFlight = batchSizes[i]! * concurrencies[j]!;
        row = i;
        column = j;
      }
    }
    return { best: this.#cell(bestRow, bestColumn), plateau: this.#cell(row, column) };
  }

  /** How many concurrencies of each batch size obey the limits: each limit is passed for good by one too many. */
  #reach(limits: GridLimits): number[] {
    const { batchSizes, concurrencies, memory, wire } = this.#shape;
    const most = (limit: number | undefined) => limit ?? Number.POSITIVE_INFINITY;
    const maxRows = most(limits.maxRows);
    const maxRequestBytes = most(limits.maxRequestBytes);
    const maxMemoryBytes = most(limits.maxMemoryBytes);
    const maxConcurrency = most(limits.maxConcurrency);
    const maxLatencyMs = most(limits.maxLatencyMs);
    const itemCount = most(limits.itemCount);
    const reach: number[] = [];
    for (let row = 0; row < batchSizes.length; row++) {
      const batchSize = batchSizes[row]!;
      let column = 0;
      if (batchSize <= maxRows && wire.perRequestBytes + wire.perVectorBytes * batchSize <= maxRequestBytes) {
        for (; column < this.#perRequest.length; column++) {
          const concurrency = concurrencies[column]!;
          const inFlight = batchSize * concurrency;
          if (
            concurrency > maxConcurrency ||
            inFlight > itemCount ||
            memory.baseBytes + memory.perVectorBytes * inFlight > maxMemoryBytes ||
            this.#service[row]! * this.#contention[column]! > maxLatencyMs
          ) {
            break;
          }
        }
      }
      reach.push(column);
    }
    return reach;
  }

  #cell(row: number, column: number): GridCell {
    const { batchSizes, concurrencies, memory } = this.#shape;
    const batchSize = batchSizes[row]!;
    const concurrency = concurrencies[column]!;
    const latencyMs = this.#service[row]! * this.#contention[column]!;
    return {
      batchSize,
      concurrency,
      cost: this.#perVector[row]! * this.#perRequest[column]!,
      latencyMs,
      vectorsPerSecond: (1000 * batchSize * concurrency) / latencyMs,
      memoryBytes: memory.baseBytes + memory.perVectorBytes * (batchSize * concurrency),
    };
  }
}
