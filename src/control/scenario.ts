import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { CostModel } from '../model/cost.js';

/** A database, a load and what should come of it. Scenarios are JSON files; `sentence` says in words what `bands` say in numbers. */
export interface Scenario {
  readonly sentence: string;
  readonly dimension: number;
  /** Records of the load. */
  readonly rows: number;
  /** Time of a request. */
  readonly cost: CostModel;
  /** Beyond `inFlight` requests, each further one multiplies the latency by `base`. */
  readonly knee?: { readonly inFlight: number; readonly base: number };
  /** Share of the latency that is random, 0..1: exponential with the same mean, so it is also the coefficient of variation. */
  readonly jitter?: number;
  /** Growth of the latency per million records stored. */
  readonly slowdownPerMillion?: number;
  /** The first batches of a load take `factor` times as long. */
  readonly warmUp?: { readonly batches: number; readonly factor: number };
  /** Every `everyRows` stored, one request waits `ms` longer (compaction, checkpoint). */
  readonly stall?: { readonly everyRows: number; readonly ms: number };
  /** From `atMs` on, the fixed and the per-vector cost are multiplied. */
  readonly steps?: readonly { readonly atMs: number; readonly fixed: number; readonly perVector: number }[];
  /** Requests above these are refused; `tells` says whether the refusal names the limit. */
  readonly limits?: { readonly maxRows?: number; readonly maxBytes?: number; readonly tells?: boolean };
  /** Requests beyond so many in flight are pushed back. */
  readonly pushBack?: { readonly inFlight: number; readonly retryAfterMs?: number };
  readonly bands: {
    /** Whole load, ramp included, over the best fixed setting's rate. */
    readonly shareOfOracle: readonly [number, number];
    /** The setting the policy ends with. */
    readonly batchSize: readonly [number, number];
    readonly concurrency: readonly [number, number];
  };
}

const COST_TERMS = ['fixedMs', 'perVectorMs', 'superLinearMs', 'sigma', 'kappa'] as const;

/**
 * Checks what a scenario file holds.
 * @throws VBO_ERR_SCENARIO naming the file and the first field that is wrong.
 */
export function parseScenario(text: string, name: string): Scenario {
  const fail = (what: string, cause?: unknown): never => {
    throw new VectorBatchError('VBO_ERR_SCENARIO', `Scenario ${name}: ${what}`, { cause, details: { name } });
  };
  let scenario: Scenario;
  try {
    scenario = JSON.parse(text) as Scenario;
  } catch (cause) {
    return fail('the file is not JSON.', cause);
  }
  if (typeof scenario !== 'object' || scenario === null) fail('the file is not an object.');
  if (typeof scenario.sentence !== 'string') fail('"sentence" is missing.');
  const number = (value: unknown, field: string, min: number) => {
    if (typeof value !== 'number' || !(value >= min))
      fail(`"${field}" is ${describe(value)}; expected a number >= ${min}.`);
  };
  number(scenario.dimension, 'dimension', 1);
  number(scenario.rows, 'rows', 1);
  for (const term of COST_TERMS) number(scenario.cost?.[term], `cost.${term}`, 0);
  return scenario;
}
