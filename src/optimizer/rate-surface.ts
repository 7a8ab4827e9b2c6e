import {
  type GridBound,
  type GridCell,
  type GridLimits,
  type GridReferences,
  type GridResult,
  type GridShape,
  violations,
} from '../kernels/grid.js';
import { contention, serviceMs } from '../model/cost.js';
import { type Extreme, Extremes } from './pareto.js';

interface Found {
  readonly best: GridCell;
  readonly plateau: GridCell;
}

/** What a search of the rate alone finds, as the grid does. */
export type RateResult = Pick<GridResult, 'best' | 'plateau' | 'unlimited' | 'binding' | 'violated'>;

/**
 * The grid search where the rate alone counts. A setting's time per vector is a product then, of what its batch size takes
 * and of what its concurrency leaves of that, and every limit that a setting passes is passed by all with more in flight:
 * each batch size has its fastest allowed concurrency at the end of a run, and one walk along these ends finds what the
 * kernel finds by visiting all cells. See docs/decisions/0013.
 */
export class RateSurface {
  /** Values of the fastest cell, limits ignored. */
  readonly references: GridReferences;
  readonly #shape: GridShape;
  /** Of each batch size: time of a request alone, and time per vector over that of the fastest cell. */
  readonly #service: number[] = [];
  readonly #perVector: number[] = [];
  /** Those that are faster than every smaller one; of each, how requests slow each other down, altogether and per request. */
  readonly #concurrencies: number[] = [];
  readonly #contention: number[] = [];
  readonly #perRequest: number[] = [];
  /** What was found without limits. */
  #free: { readonly tolerance: number; readonly found: Found } | undefined;

  constructor(shape: GridShape) {
    this.#shape = shape;
    const { model, batchSizes, concurrencies, memory } = shape;
    let leastPerRequest = Number.POSITIVE_INFINITY;
    for (let column = 0; column < concurrencies.length; column++) {
      const concurrency = concurrencies[column]!;
      const slowdown = contention(model, concurrency);
      const share = slowdown / concurrency;
      if (share >= leastPerRequest) continue;
      leastPerRequest = share;
      this.#concurrencies.push(concurrency);
      this.#contention.push(slowdown);
      this.#perRequest.push(share);
    }
    const service = this.#service;
    let fastest = 0;
    let leastPerVector = Number.POSITIVE_INFINITY;
    for (let row = 0; row < batchSizes.length; row++) {
      const serviceOfRow = serviceMs(model, batchSizes[row]!);
      service.push(serviceOfRow);
      const perVector = serviceOfRow / batchSizes[row]!;
      if (perVector >= leastPerVector) continue;
      leastPerVector = perVector;
      fastest = row;
    }
    const batchSize = batchSizes[fastest]!;
    const last = this.#concurrencies.length - 1;
    const msPerVector = leastPerVector * leastPerRequest;
    this.references = {
      msPerVector,
      latencyMs: service[fastest]! * this.#contention[last]!,
      memoryBytes: memory.baseBytes + memory.perVectorBytes * (batchSize * this.#concurrencies[last]!),
      requestsPerVector: 1 / batchSize,
    };
    const weight = msPerVector > 0 ? 1 / msPerVector : 0;
    for (let row = 0; row < batchSizes.length; row++) {
      this.#perVector.push((weight * service[row]!) / batchSizes[row]!);
    }
  }

  /** Whether this is the surface of `shape`, whose cost model it was made of. */
  isOf({ batchSizes, concurrencies, memory, wire }: GridShape): boolean {
    const own = this.#shape;
    return (
      own.batchSizes === batchSizes &&
      own.concurrencies === concurrencies &&
      own.memory.baseBytes === memory.baseBytes &&
      own.memory.perVectorBytes === memory.perVectorBytes &&
      own.wire.perRequestBytes === wire.perRequestBytes &&
      own.wire.perVectorBytes === wire.perVectorBytes
    );
  }

  /** The fastest cell within `limits`, and of those that take up to `tolerance` longer the one with the least in flight. */
  search(limits: GridLimits, tolerance: number): RateResult {
    if (this.#free?.tolerance !== tolerance) {
      this.#free = { tolerance, found: this.#find(this.#reach({}), tolerance)! };
    }
    const free = this.#free.found;
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
    return this.#find(this.#reach(limits, bound), tolerance)?.plateau ?? null;
  }

  /** The settings within `limits` that are best at something, where each rate counts up to `ceilingVps`. */
  extremes(limits: GridLimits, ceilingVps: number): Extreme[] {
    const { batchSizes } = this.#shape;
    const concurrencies = this.#concurrencies;
    const reach = this.#reach(limits);
    let highest = 0;
    for (let row = 0; row < reach.length; row++) {
      highest = Math.max(highest, this.#rate(row, reach[row]! - 1, ceilingVps));
    }
    const extremes = new Extremes(highest);
    for (let row = 0; row < reach.length; row++) {
      for (let column = reach[row]! - 1; column >= 0; column--) {
        const rate = this.#rate(row, column, ceilingVps);
        // Those with less in flight are slower still.
        if (rate < extremes.leastRate) break;
        extremes.offer(batchSizes[row]!, concurrencies[column]!, rate);
      }
    }
    return extremes.found();
  }

  #rate(row: number, column: number, ceilingVps: number): number {
    const msPerVector = (this.#service[row]! / this.#shape.batchSizes[row]!) * this.#perRequest[column]!;
    return Math.min(1000 / msPerVector, ceilingVps);
  }

  /** Null if no cell is within reach. */
  #find(reach: readonly number[], tolerance: number): Found | null {
    const { batchSizes } = this.#shape;
    const concurrencies = this.#concurrencies;
    const perVector = this.#perVector;
    const perRequest = this.#perRequest;
    let bestRow = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < reach.length; row++) {
      const cost = perVector[row]! * perRequest[reach[row]! - 1]!;
      if (cost >= least) continue;
      least = cost;
      bestRow = row;
    }
    if (bestRow < 0) return null;
    const most = least * (1 + tolerance);
    let plateauRow = bestRow;
    let plateauColumn = reach[bestRow]! - 1;
    let inFlight = Number.POSITIVE_INFINITY;
    for (let row = 0; row < reach.length && batchSizes[row]! < inFlight; row++) {
      if (perVector[row]! * perRequest[reach[row]! - 1]! > most) continue;
      let column = 0;
      while (perVector[row]! * perRequest[column]! > most) column++;
      if (batchSizes[row]! * concurrencies[column]! >= inFlight) continue;
      inFlight = batchSizes[row]! * concurrencies[column]!;
      plateauRow = row;
      plateauColumn = column;
    }
    return {
      best: this.#cell(bestRow, reach[bestRow]! - 1),
      plateau: this.#cell(plateauRow, plateauColumn),
    };
  }

  /** How many concurrencies of each batch size obey the limits, but for one of them, up to the last that has any. */
  #reach(limits: GridLimits, lifted?: GridBound): number[] {
    const { batchSizes, memory, wire } = this.#shape;
    const bound = (name: GridBound, limit = UNBOUNDED): number => (name === lifted ? UNBOUNDED : limit);
    const maxRows = bound('rows', limits.maxRows);
    const maxRequestBytes = bound('request_bytes', limits.maxRequestBytes);
    const maxMemoryBytes = bound('memory', limits.maxMemoryBytes);
    const maxConcurrency = bound('concurrency', limits.maxConcurrency);
    const maxLatencyMs = bound('latency', limits.maxLatencyMs);
    const itemCount = bound('items', limits.itemCount);
    const concurrencies = this.#concurrencies;
    let allowed = concurrencies.length;
    while (allowed > 0 && concurrencies[allowed - 1]! > maxConcurrency) allowed--;
    const reach: number[] = [];
    for (let row = 0; row < batchSizes.length; row++) {
      const batchSize = batchSizes[row]!;
      if (batchSize > maxRows || wire.perRequestBytes + wire.perVectorBytes * batchSize > maxRequestBytes)
        break;
      // What is too much for a batch size is too much for every larger one.
      for (; allowed > 0; allowed--) {
        const inFlight = batchSize * concurrencies[allowed - 1]!;
        if (
          inFlight <= itemCount &&
          memory.baseBytes + memory.perVectorBytes * inFlight <= maxMemoryBytes &&
          this.#service[row]! * this.#contention[allowed - 1]! <= maxLatencyMs
        ) {
          break;
        }
      }
      if (allowed === 0) break;
      reach.push(allowed);
    }
    return reach;
  }

  #cell(row: number, column: number): GridCell {
    const { batchSizes, memory } = this.#shape;
    const batchSize = batchSizes[row]!;
    const concurrency = this.#concurrencies[column]!;
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

const UNBOUNDED = Number.POSITIVE_INFINITY;
