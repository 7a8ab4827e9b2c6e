import type { Basis } from './profile.js';

/** What a prediction rests on. */
export interface Evidence {
  readonly basis: Basis;
  /** |log2| of the dimension asked for over the nearest one that was measured (or that the prior speaks of). */
  readonly dimensionDistance: number;
  /** Absent without records of this database. */
  readonly records?: {
    readonly count: number;
    /** Distinct (batch size, concurrency) among them. */
    readonly settings: number;
    /** Median |predicted / measured - 1| of the rate. */
    readonly medianAbsoluteRelativeError: number;
  };
}

export interface Confidence {
  /** 0..1; below 0.5 nothing was measured on this machine. */
  readonly confidence: number;
  /** Standard deviation of log(measured / predicted) of the rate that is to be expected. */
  readonly logDeviation: number;
}

/**
 * What a prior alone is worth. The deviations: two machines differ by about a factor of two in these
 * databases (0.55), advice leaves the level open to a factor of about four (1.0), and an assumption to more.
 */
const PRIOR: Record<Basis, Confidence> = {
  'measured sweep': { confidence: 0.45, logDeviation: 0.55 },
  'vendor advice': { confidence: 0.25, logDeviation: 1 },
  assumption: { confidence: 0.1, logDeviation: 1.3 },
};

/** No number of records makes a prediction of another load certain: passes of one sweep differ by 20 to 50 %. */
const CEILING = 0.95;
const BETWEEN_PASSES = 0.2;
/** Settings at which half of the way to the ceiling is gone, where the fit is perfect and the dimension the same. */
const HALF_WAY_SETTINGS = 4;
/** Log deviation that a doubling of the dimension adds: LanceDB's law, carried from 128 to 768 dimensions, is off by up to 0.15 (2.6 doublings), doubled for others. */
const PER_DOUBLING = 0.1;

/** A score for people and an error for programs; both honest in that they start low and move only with records. */
export function confidenceOf(evidence: Evidence): Confidence {
  const { basis, dimensionDistance, records } = evidence;
  const nearness = 2 ** (-dimensionDistance / 4);
  const prior = PRIOR[basis];
  const transfer = PER_DOUBLING * dimensionDistance;
  if (!records || records.count === 0) {
    return {
      confidence: prior.confidence * Math.max(0.5, nearness),
      logDeviation: Math.hypot(prior.logDeviation, transfer),
    };
  }
  const spread = records.settings / (records.settings + HALF_WAY_SETTINGS);
  const repeats = 1 - 0.5 ** (records.count / records.settings);
  const goodness = 1 / (1 + 2 * records.medianAbsoluteRelativeError);
  const learnt = spread * (0.5 + 0.5 * repeats) * goodness * nearness;
  // 1.4826 times the median magnitude estimates a normal deviation; one that nobody could check counts as the prior's.
  const seen = 1.4826 * records.medianAbsoluteRelativeError;
  return {
    confidence: prior.confidence + (CEILING - prior.confidence) * learnt,
    logDeviation: Math.hypot(
      seen,
      BETWEEN_PASSES,
      transfer,
      prior.logDeviation / Math.sqrt(1 + 2 * records.count),
    ),
  };
}

/** The range in which four of five measurements of a rate should fall: 1.28 standard deviations of its logarithm either way. */
export function rateInterval(rate: number, logDeviation: number): { low: number; high: number } {
  const factor = Math.exp(1.2816 * logDeviation);
  return { low: rate / factor, high: rate * factor };
}
