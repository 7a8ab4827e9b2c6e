import type { CostLaw } from './law.js';

/** A law that was fitted to a sweep, and how well it fits. */
export interface MeasuredLaw extends CostLaw {
  /** Dimensions that were swept; with one only, the row share is assumed. */
  readonly dimensions: readonly number[];
  /** Measured cells the fit used. */
  readonly cells: number;
  /** Of the rate, over those cells. */
  readonly medianAbsoluteRelativeError: number;
}

/** Written by `bench/fit-profiles.ts` from the sweeps in `test/data/sweeps`; not edited by hand. */
export const MEASURED_LAWS = {
  chroma: {
    referenceDimension: 128,
    rowShare: 0.25,
    model: {
      fixedMs: 14.07,
      perVectorMs: 0.2099,
      superLinearMs: 0,
      sigma: 1,
      kappa: 0.006883,
    },
    dimensions: [128],
    cells: 154,
    medianAbsoluteRelativeError: 0.1497,
  },
  lancedb: {
    referenceDimension: 128,
    rowShare: 0.01801,
    model: {
      fixedMs: 5.189,
      perVectorMs: 0,
      superLinearMs: 0.00074,
      sigma: 0.5344,
      kappa: 0.04523,
    },
    dimensions: [128, 768],
    cells: 271,
    medianAbsoluteRelativeError: 0.24,
  },
  'pglite-pgvector': {
    referenceDimension: 128,
    rowShare: 0.25,
    model: {
      fixedMs: 0.779,
      perVectorMs: 0.1613,
      superLinearMs: 0.0007216,
      sigma: 1,
      kappa: 0.001907,
    },
    dimensions: [128],
    cells: 99,
    medianAbsoluteRelativeError: 0.1377,
  },
  'postgres15-pgvector': {
    referenceDimension: 128,
    rowShare: 0.25,
    model: {
      fixedMs: 0.9877,
      perVectorMs: 0.01333,
      superLinearMs: 0.001042,
      sigma: 0.425,
      kappa: 0.01983,
    },
    dimensions: [128],
    cells: 188,
    medianAbsoluteRelativeError: 0.1152,
  },
  'sqlite-vec': {
    referenceDimension: 128,
    rowShare: 0.25,
    model: {
      fixedMs: 0.371,
      perVectorMs: 0.0105,
      superLinearMs: 0,
      sigma: 0.7375,
      kappa: 0.232,
    },
    dimensions: [128],
    cells: 111,
    medianAbsoluteRelativeError: 0.2466,
  },
} as const satisfies Record<string, MeasuredLaw>;
