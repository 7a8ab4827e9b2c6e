import type { CostModel } from './cost.js';

/**
 * A cost model at one dimension and how it changes with the dimension: what a vector costs is partly per
 * row (ids, headers, index entries) and partly per component (bytes to encode, send, parse and store).
 *
 * ```
 * factor(d)        = rowShare + (1 - rowShare) * d / referenceDimension
 * perVectorMs(d)   = perVectorMs * factor(d)
 * superLinearMs(d) = superLinearMs * factor(d)
 * ```
 *
 * The cost of a request and the contention do not depend on the dimension: LanceDB's sweeps at 128 and 768
 * dimensions, fitted apart, agree on `fixedMs` to 4 %.
 */
export interface CostLaw {
  readonly referenceDimension: number;
  readonly model: CostModel;
  /** Share of a vector's cost at the reference dimension that does not depend on the dimension, 0..1. */
  readonly rowShare: number;
}

/** The law's cost model for vectors of `dimension`. */
export function costAt(law: CostLaw, dimension: number): CostModel {
  return carry(law.model, law, law.referenceDimension, dimension);
}

/** A cost model that holds at one dimension, carried to another by the law. */
export function carry(model: CostModel, law: CostLaw, from: number, to: number): CostModel {
  const factor = dimensionFactor(law, to) / dimensionFactor(law, from);
  return {
    ...model,
    perVectorMs: model.perVectorMs * factor,
    superLinearMs: model.superLinearMs * factor,
  };
}

const dimensionFactor = (law: CostLaw, dimension: number): number =>
  law.rowShare + ((1 - law.rowShare) * dimension) / law.referenceDimension;

/**
 * The law that follows from a vendor's advice when nothing has been measured. The affine cost
 * `fixed + perVector * b` reaches 90 % of its asymptotic rate at `b = 9 * fixed / perVector`; taking the
 * advised size for that point gives the fixed cost. The super-linear term is left at 0: advice says where
 * to stop, which is a limit, not that more would be slower.
 */
export function adviceLaw(advice: {
  /** Dimension the advice is read at. */
  referenceDimension: number;
  /** Batch size that reaches nine tenths of the asymptotic rate at that dimension. */
  ninetyPercentRows: number;
  /** Time of one vector of the reference dimension with one request in flight, ms. */
  perVectorMs: number;
  rowShare: number;
  sigma: number;
  kappa: number;
}): CostLaw {
  const { referenceDimension, ninetyPercentRows, perVectorMs, rowShare, sigma, kappa } = advice;
  const fixedMs = (perVectorMs * ninetyPercentRows) / 9;
  return {
    referenceDimension,
    rowShare,
    model: { fixedMs, perVectorMs, superLinearMs: 0, sigma, kappa },
  };
}
