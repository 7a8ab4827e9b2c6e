import type { Setting } from '../core/types.js';

/**
 * What one request costs, and how requests disturb each other. All times in ms.
 *
 * ```
 * service(b)    = fixedMs + perVectorMs * b + superLinearMs * b * log2(b)
 * contention(c) = 1 + sigma * (c - 1) + kappa * c * (c - 1)          Universal Scalability Law, Gunther 2007
 * latency(b, c) = service(b) * contention(c)
 * rate(b, c)    = b * c / latency(b, c)                              Little's law
 * ```
 *
 * The affine part alone is monotone in b and misses interior optima; the super-linear term bends it.
 */
export interface CostModel {
  /** Cost of a request before its first vector, ms. */
  readonly fixedMs: number;
  /** Cost of a vector, ms. */
  readonly perVectorMs: number;
  /** Cost that grows with the batch: ms per vector and doubling. */
  readonly superLinearMs: number;
  /** Share of the work that is serial, 0..1. */
  readonly sigma: number;
  /** Cross-talk between each pair of requests in flight. */
  readonly kappa: number;
}

/** Time of one request of `batchSize` vectors with nothing else in flight, ms. */
export function serviceMs(model: CostModel, batchSize: number): number {
  return (
    model.fixedMs + model.perVectorMs * batchSize + model.superLinearMs * batchSize * Math.log2(batchSize)
  );
}

/** Factor by which `concurrency` requests in flight slow each other down. */
export function contention(model: CostModel, concurrency: number): number {
  return 1 + model.sigma * (concurrency - 1) + model.kappa * concurrency * (concurrency - 1);
}

/** Predicted time from sending a request to its acknowledgement, ms. */
export function latencyMs(model: CostModel, setting: Setting): number {
  return serviceMs(model, setting.batchSize) * contention(model, setting.concurrency);
}

/** Predicted steady rate, vectors per second. */
export function vectorsPerSecond(model: CostModel, setting: Setting): number {
  return (1000 * setting.batchSize * setting.concurrency) / latencyMs(model, setting);
}
