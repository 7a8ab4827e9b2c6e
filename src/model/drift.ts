import { Random } from '../core/random.js';
import { median } from '../core/statistics.js';
import { type CostModel, latencyMs } from './cost.js';
import { heldOutError, WORTHWHILE } from './cross-validate.js';
import { fitCostModel, type LatencySample } from './fit.js';
import { weighByRate } from './weights.js';

/** How a database slows down as its collection fills: every time is multiplied by `1 + perMillion rows / 1e6`. */
export interface Drift {
  readonly perMillion: number;
  /** Vectors that the collection held: at the median measurement, and at most. */
  readonly medianRows: number;
  readonly mostRows: number;
}

/** A sample with the vectors that the collection held, where that is known. */
export type SizedSample = LatencySample & { readonly collectionRows: number | null };

/** Fewer samples than this do not tell a drift from a large batch. */
const FEWEST = 12;
/** Slowdowns over the range measured that are tried first; the best is refined. */
const SLOWDOWNS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8];
const REFINEMENTS = [1.41, 1.19, 1.09, 1.04];
/** A load is not reckoned to slow down further beyond so many times the largest collection measured. */
const FARTHEST = 4;

/**
 * Fits a drift, and the cost model of an empty collection with it. The drift is used only if it lowers the error on
 * samples that were not fitted to by a twentieth; undefined if it does not.
 */
export function fitDrift(
  samples: readonly SizedSample[],
  prior: CostModel,
): { readonly model: CostModel; readonly drift: Drift } | undefined {
  const sized = samples.flatMap((s) =>
    s.collectionRows === null ? [] : [{ ...s, millions: s.collectionRows / 1e6 }],
  );
  const rows = sized.map((s) => 1e6 * s.millions);
  const mostRows = Math.max(0, ...rows);
  // Of databases of which it is not always known how full they were, nobody knows how full they were.
  if (sized.length < Math.max(FEWEST, samples.length) || mostRows === Math.min(...rows)) return undefined;
  type Sized = (typeof sized)[number];
  const fitAt = (training: readonly Sized[], perMillion: number) => {
    const still = training.map((s) => ({ ...s, latencyMs: s.latencyMs / (1 + perMillion * s.millions) }));
    const model = fitCostModel(weighByRate(still), prior);
    const loss = still.reduce(
      (sum, s) => sum + (s.weight ?? 1) * Math.abs(Math.log(s.latencyMs / latencyMs(model, s))),
      0,
    );
    return { model, loss, perMillion };
  };
  const fitBest = (training: readonly Sized[]) => {
    const best = (found: ReturnType<typeof fitAt>[]) => found.reduce((a, b) => (b.loss < a.loss ? b : a));
    const at = (slowdown: number) => fitAt(training, (1e6 * slowdown) / mostRows);
    let found = best(SLOWDOWNS.map(at));
    for (const factor of REFINEMENTS) {
      const near = [found.perMillion / factor, found.perMillion * factor].map((g) => fitAt(training, g));
      found = best([found, ...near]);
    }
    return found;
  };
  const logLatency =
    ({ model, perMillion }: { model: CostModel; perMillion: number }) =>
    (s: Sized) =>
      Math.log(latencyMs(model, s) * (1 + perMillion * s.millions));
  const errorOf = (learn: (training: readonly Sized[]) => (s: Sized) => number) =>
    heldOutError(sized, (s) => Math.log(s.latencyMs), learn, new Random(1));
  const still = errorOf((training) => logLatency(fitAt(training, 0)));
  if (errorOf((training) => logLatency(fitBest(training))) >= WORTHWHILE * still) return undefined;
  const { model, perMillion } = fitBest(sized);
  return { model, drift: { perMillion, medianRows: median(rows), mostRows } };
}

/** Factor by which a collection of so many vectors is slower than an empty one. */
export const slowdownAt = ({ perMillion, mostRows }: Drift, rows: number): number =>
  1 + (perMillion * Math.min(rows, FARTHEST * mostRows)) / 1e6;

/** A cost model with every time multiplied. */
export const slower = (model: CostModel, factor: number): CostModel => ({
  ...model,
  fixedMs: model.fixedMs * factor,
  perVectorMs: model.perVectorMs * factor,
  superLinearMs: model.superLinearMs * factor,
});
