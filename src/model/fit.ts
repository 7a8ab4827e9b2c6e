import { type CostModel, latencyMs } from './cost.js';

/** One measured request, or the mean of many with one setting. */
export interface LatencySample {
  batchSize: number;
  concurrency: number;
  /** From sending a request to its acknowledgement, ms; above 0. */
  latencyMs: number;
  /** How many ordinary samples this one counts for. Default 1. */
  weight?: number;
}

/** Shape to lean on when the caller knows nothing: 90 % of the asymptotic rate at 450 vectors, three requests in flight useful. */
const NEUTRAL: CostModel = { fixedMs: 1, perVectorMs: 0.02, superLinearMs: 0, sigma: 0.3, kappa: 0.02 };

/** The settings at which the prior speaks, as if it had been measured there. */
const PRIOR_BATCH_SIZES = [1, 16, 256, 4096];
const PRIOR_CONCURRENCIES = [1, 2, 8];
/** What the prior's shape weighs in ordinary samples, all its settings together. */
const PRIOR_WEIGHT = 2;
const NEUTRAL_WEIGHT = 0.05;
/** What the prior's level weighs: one sample moves the level four fifths of the way. */
const PRIOR_LEVEL_WEIGHT = 0.25;

/** Huber's 95 %-efficiency constant, in units of the residuals' scale. */
const HUBER = 1.345;
/** Residuals are never judged tighter than 2 %: no clock and no database is that steady. */
const SMALLEST_SCALE = 0.02;
/** Residuals beyond 15 % count linearly when rounds are compared. */
const OUTLYING = 0.15;
const ITERATIONS = 6;

const SIGMAS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const KAPPAS = [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const LARGEST_KAPPA = 1;

/** Terms whose equations are this close to dependent cannot be told apart. */
const SINGULAR = 1e-10;

/**
 * Fits a {@link CostModel} to measured latencies. The loss is Huber's on `log(measured / predicted)`, so a
 * slow and a fast setting count alike and a stall does not bend the answer. No coefficient is negative.
 *
 * Method: for a given (sigma, kappa) the latency is linear in (fixed, perVector, superLinear), which leaves
 * a non-negative least-squares problem of three unknowns and a search over two (variable projection, Golub
 * and Pereyra 1973). Each round linearizes the logarithm around the last fit and reweights the residuals
 * (Gauss-Newton, IRLS). Samples are summed per concurrency first, so a step of the search costs the same
 * for ten samples and for ten thousand.
 *
 * The prior gives the shape, the data give the level at once and the shape as they accumulate: the prior is
 * rescaled to the samples' level and then takes part as if measured at a dozen settings that together weigh
 * two samples. Without samples the prior itself comes back.
 *
 * Deterministic; about 0.5 ms for 100 samples.
 */
export function fitCostModel(samples: readonly LatencySample[], prior?: CostModel): CostModel {
  const shape = prior ?? NEUTRAL;
  if (samples.length === 0) return shape;
  const points = [
    ...samples.map(toPoint),
    ...priorPoints(samples, shape, prior ? PRIOR_WEIGHT : NEUTRAL_WEIGHT),
  ];

  let best = solve(points, undefined);
  let bestLoss = robustLoss(best, points);
  let current = best;
  for (let round = 0; round < ITERATIONS; round++) {
    current = solve(points, current);
    const loss = robustLoss(current, points);
    if (loss < bestLoss) {
      best = current;
      bestLoss = loss;
    }
  }
  return best;
}

interface Point {
  readonly batchSize: number;
  readonly concurrency: number;
  readonly latencyMs: number;
  readonly weight: number;
  /** Measured points may be outliers; the prior's may not. */
  readonly measured: boolean;
}

function toPoint(sample: LatencySample): Point {
  return { ...sample, weight: sample.weight ?? 1, measured: true };
}

function priorPoints(samples: readonly LatencySample[], prior: CostModel, totalWeight: number): Point[] {
  const level = Math.exp(priorLevel(samples, prior));
  const weight = totalWeight / (PRIOR_BATCH_SIZES.length * PRIOR_CONCURRENCIES.length);
  return PRIOR_BATCH_SIZES.flatMap((batchSize) =>
    PRIOR_CONCURRENCIES.map((concurrency) => ({
      batchSize,
      concurrency,
      latencyMs: level * latencyMs(prior, { batchSize, concurrency }),
      weight,
      measured: false,
    })),
  );
}

/** Logarithm of the factor by which the samples are slower than the prior: their weighted median, shrunk towards 0. */
function priorLevel(samples: readonly LatencySample[], prior: CostModel): number {
  const ratios = samples
    .map((s) => ({ value: Math.log(s.latencyMs / latencyMs(prior, s)), weight: s.weight ?? 1 }))
    .sort((a, b) => a.value - b.value);
  const total = ratios.reduce((sum, r) => sum + r.weight, 0);
  return (weightedMedian(ratios, total) * total) / (total + PRIOR_LEVEL_WEIGHT);
}

/** The value at half the weight of `sorted`; between two values if the half falls on their border. */
function weightedMedian(sorted: readonly { value: number; weight: number }[], total: number): number {
  let below = 0;
  for (let i = 0; i < sorted.length; i++) {
    below += sorted[i]!.weight;
    if (below > total / 2) return sorted[i]!.value;
    if (below === total / 2 && i + 1 < sorted.length) return (sorted[i]!.value + sorted[i + 1]!.value) / 2;
  }
  return sorted.at(-1)!.value;
}

/** One round: linearize around `around` (or around the measurements themselves), then search (sigma, kappa). */
function solve(points: readonly Point[], around: CostModel | undefined): CostModel {
  const groups = normalEquations(points, around);
  let best = project(groups, around?.sigma ?? 0, around?.kappa ?? 0);
  const consider = (sigma: number, kappa: number): boolean => {
    const candidate = project(groups, clamp(sigma, 1), clamp(kappa, LARGEST_KAPPA));
    const better = candidate.loss < best.loss;
    if (better) best = candidate;
    return better;
  };
  if (!around) for (const sigma of SIGMAS) for (const kappa of KAPPAS) consider(sigma, kappa);
  for (let sigmaStep = 0.05, kappaStep = 0.5; sigmaStep > 0.002; sigmaStep /= 2, kappaStep /= 2) {
    for (let moved = true; moved; ) {
      const { sigma, kappa } = best;
      const kappaMove = kappaStep * Math.max(kappa, 0.002);
      moved =
        consider(sigma - sigmaStep, kappa) ||
        consider(sigma + sigmaStep, kappa) ||
        consider(sigma, kappa - kappaMove) ||
        consider(sigma, kappa + kappaMove) ||
        consider(sigma - sigmaStep, kappa + kappaMove) ||
        consider(sigma + sigmaStep, kappa - kappaMove);
    }
  }
  const [fixedMs, perVectorMs, superLinearMs] = best.terms;
  return { fixedMs, perVectorMs, superLinearMs, sigma: best.sigma, kappa: best.kappa };
}

const clamp = (value: number, high: number): number => Math.min(high, Math.max(0, value));

/**
 * Sums over the points of one concurrency, before contention is known: of w x xT (upper triangle) and of
 * w x target, where x = (1, b, b log2 b).
 */
interface NormalEquations {
  readonly concurrency: number;
  /** `g00 g01 g02 g11 g12 g22 r0 r1 r2` */
  readonly sums: Float64Array;
}

function normalEquations(points: readonly Point[], around: CostModel | undefined): NormalEquations[] {
  const scale = around && residualScale(around, points);
  const groups = new Map<number, NormalEquations>();
  for (const point of points) {
    // log p ~ log a + (p - a) / a around the last prediction a: a residual linear in p, with target a (1 + log(y / a)).
    let anchor = point.latencyMs;
    let target = point.latencyMs;
    let weight = point.weight;
    if (around) {
      anchor = latencyMs(around, point);
      const residual = Math.log(point.latencyMs / anchor);
      target = anchor * Math.max(0.05, 1 + residual);
      if (point.measured) weight *= Math.min(1, (HUBER * scale!) / Math.max(Math.abs(residual), 1e-12));
    }
    weight /= anchor * anchor;
    const linear = point.batchSize;
    const bent = linear * Math.log2(linear);
    let group = groups.get(point.concurrency);
    if (!group) {
      group = { concurrency: point.concurrency, sums: new Float64Array(9) };
      groups.set(point.concurrency, group);
    }
    const { sums } = group;
    sums[0]! += weight;
    sums[1]! += weight * linear;
    sums[2]! += weight * bent;
    sums[3]! += weight * linear * linear;
    sums[4]! += weight * linear * bent;
    sums[5]! += weight * bent * bent;
    sums[6]! += weight * target;
    sums[7]! += weight * linear * target;
    sums[8]! += weight * bent * target;
  }
  return [...groups.values()];
}

interface Projection {
  /** Weighted sum of squares, up to a constant. */
  readonly loss: number;
  readonly terms: Terms;
  readonly sigma: number;
  readonly kappa: number;
}

/** fixedMs, perVectorMs, superLinearMs */
type Terms = readonly [number, number, number];

/**
 * The best non-negative cost terms for a given contention. With three unknowns the active set is found by
 * trying them all, each by Cramer's rule; the super-linear term alone is left out, it would make a batch of
 * one free.
 */
function project(groups: readonly NormalEquations[], sigma: number, kappa: number): Projection {
  let [g00, g01, g02, g11, g12, g22, r0, r1, r2] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (const { concurrency, sums } of groups) {
    const factor = 1 + sigma * (concurrency - 1) + kappa * concurrency * (concurrency - 1);
    const square = factor * factor;
    g00 += square * sums[0]!;
    g01 += square * sums[1]!;
    g02 += square * sums[2]!;
    g11 += square * sums[3]!;
    g12 += square * sums[4]!;
    g22 += square * sums[5]!;
    r0 += factor * sums[6]!;
    r1 += factor * sums[7]!;
    r2 += factor * sums[8]!;
  }
  let loss = -(r0 * r0) / g00;
  let terms: Terms = [r0 / g00, 0, 0];
  const consider = (fixed: number, linear: number, bent: number): void => {
    if (!(fixed >= 0 && linear >= 0 && bent >= 0)) return;
    // At a solution of the normal equations, xT G x - 2 rT x = -rT x.
    const candidate = -(r0 * fixed + r1 * linear + r2 * bent);
    if (candidate < loss) {
      loss = candidate;
      terms = [fixed, linear, bent];
    }
  };
  consider(0, r1 / g11, 0);
  const d01 = g00 * g11 - g01 * g01;
  if (d01 > SINGULAR * g00 * g11) consider((r0 * g11 - r1 * g01) / d01, (r1 * g00 - r0 * g01) / d01, 0);
  const d02 = g00 * g22 - g02 * g02;
  if (d02 > SINGULAR * g00 * g22) consider((r0 * g22 - r2 * g02) / d02, 0, (r2 * g00 - r0 * g02) / d02);
  const d12 = g11 * g22 - g12 * g12;
  if (d12 > SINGULAR * g11 * g22) consider(0, (r1 * g22 - r2 * g12) / d12, (r2 * g11 - r1 * g12) / d12);
  const m0 = g11 * g22 - g12 * g12;
  const m1 = g02 * g12 - g01 * g22;
  const m2 = g01 * g12 - g02 * g11;
  const determinant = g00 * m0 + g01 * m1 + g02 * m2;
  if (determinant > SINGULAR * g00 * g11 * g22) {
    consider(
      (r0 * m0 + r1 * m1 + r2 * m2) / determinant,
      (r0 * m1 + r1 * (g00 * g22 - g02 * g02) + r2 * (g01 * g02 - g00 * g12)) / determinant,
      (r0 * m2 + r1 * (g01 * g02 - g00 * g12) + r2 * (g00 * g11 - g01 * g01)) / determinant,
    );
  }
  return { loss, terms, sigma, kappa };
}

/** Spread of the measured log residuals: 1.4826 times their median magnitude. */
function residualScale(model: CostModel, points: readonly Point[]): number {
  const residuals = points
    .filter((p) => p.measured)
    .map((p) => ({ value: Math.abs(Math.log(p.latencyMs / latencyMs(model, p))), weight: p.weight }))
    .sort((a, b) => a.value - b.value);
  const total = residuals.reduce((sum, r) => sum + r.weight, 0);
  return Math.max(SMALLEST_SCALE, 1.4826 * weightedMedian(residuals, total));
}

/** Huber's loss with one fixed border, so that rounds with different scales can be compared. */
function robustLoss(model: CostModel, points: readonly Point[]): number {
  let loss = 0;
  for (const p of points) {
    const residual = Math.abs(Math.log(p.latencyMs / latencyMs(model, p)));
    const outlying = p.measured && residual > OUTLYING;
    loss += p.weight * (outlying ? OUTLYING * (2 * residual - OUTLYING) : residual * residual);
  }
  return loss;
}
