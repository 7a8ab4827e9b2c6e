import type { MeasuredLaw } from './measured-laws.js';

/**
 * What our own sinks cost, by their database: they send otherwise than the clients of the sweeps, and the best batch
 * with them is another one. Written by `bench/fit-profiles.ts --sinks` from the exhaustive tunings in
 * `test/data/sinks`; not edited by hand.
 */
export const SINK_LAWS: Readonly<Record<string, MeasuredLaw>> = {
  chroma: {
    referenceDimension: 128,
    rowShare: 0.6551,
    model: {
      fixedMs: 18.51,
      perVectorMs: 0.1922,
      superLinearMs: 0,
      sigma: 1,
      kappa: 0.05156,
    },
    dimensions: [128, 768],
    cells: 84,
    medianAbsoluteRelativeError: 0.3083,
  },
  lancedb: {
    referenceDimension: 128,
    rowShare: 0.3062,
    model: {
      fixedMs: 17.24,
      perVectorMs: 0.002535,
      superLinearMs: 0,
      sigma: 0.5469,
      kappa: 0.005631,
    },
    dimensions: [128, 768],
    cells: 93,
    medianAbsoluteRelativeError: 0.1884,
  },
  pglite: {
    referenceDimension: 128,
    rowShare: 0.7186,
    model: {
      fixedMs: 5.542,
      perVectorMs: 0.02373,
      superLinearMs: 0.002424,
      sigma: 0.6469,
      kappa: 0.04083,
    },
    dimensions: [128, 768],
    cells: 96,
    medianAbsoluteRelativeError: 0.171,
  },
  sqlite: {
    referenceDimension: 128,
    rowShare: 0.2583,
    model: {
      fixedMs: 0.6405,
      perVectorMs: 0.005548,
      superLinearMs: 0,
      sigma: 0.875,
      kappa: 0.003323,
    },
    dimensions: [128, 768],
    cells: 93,
    medianAbsoluteRelativeError: 0.05344,
  },
};
