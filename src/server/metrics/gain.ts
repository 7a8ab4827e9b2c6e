import { vectorsPerSecond } from '../../model/cost.js';

/** What most tools use when nobody has thought about it; see `optimizer/batch-size-calculator.ts`. */
const DEFAULT = { batchSize: 100, concurrency: 1 };

/**
 * Rate of a run's best setting over the default's. A tune has measured both; for a load both are what the cost model
 * says that it learnt on the way, so that the time it took to find the best is not held against it.
 * @returns undefined where nothing was learnt
 */
export function gainOf(report: Readonly<Record<string, unknown>>): number | undefined {
  if (typeof report.gain === 'number') return report.gain;
  const model = report.model as Record<string, number> | null | undefined;
  const best = report.best as { batch_size: number; concurrency: number } | undefined;
  if (!model || !best) return undefined;
  const cost = {
    fixedMs: model.fixed_ms!,
    perVectorMs: model.per_vector_ms!,
    superLinearMs: model.super_linear_ms!,
    sigma: model.sigma!,
    kappa: model.kappa!,
  };
  const setting = { batchSize: best.batch_size, concurrency: best.concurrency };
  const gain = vectorsPerSecond(cost, setting) / vectorsPerSecond(cost, DEFAULT);
  return Number.isFinite(gain) ? gain : undefined;
}
