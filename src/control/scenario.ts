import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { Setting } from '../core/types.js';
import type { CostModel } from '../model/cost.js';
import { costAt } from '../model/law.js';
import { MEASURED_LAWS } from '../model/measured-laws.js';

/**
 * A database, a load and what should come of it. Scenarios are JSON files; `sentence` says in words what
 * `bands` say in numbers. A file may name a measured `database` in place of its `cost`: the fit to that
 * database's sweeps, at the scenario's dimension.
 */
export interface Scenario {
  readonly sentence: string;
  readonly dimension: number;
  /** Records of the load. */
  readonly rows: number;
  /** Time of a request. */
  readonly cost: CostModel;
  /** Where a recorded sweep is replayed: the steady rate it shows, vectors/s, in place of `cost`. */
  readonly surface?: (setting: Setting) => number;
  /** Beyond `inFlight` requests, each further one multiplies the latency by `base`. */
  readonly knee?: { readonly inFlight: number; readonly base: number };
  /** Share of the latency that is random, 0..1: exponential with the same mean, so it is also the coefficient of variation. */
  readonly jitter?: number;
  /** Every `forMs` all latencies are multiplied by another log-normal factor of mean 1 whose logarithm has the standard deviation `sd`. */
  readonly wander?: { readonly sd: number; readonly forMs: number };
  /** A noisy neighbour: in every `everyMs`, the last `forMs` multiply all latencies by `factor`. */
  readonly neighbour?: { readonly everyMs: number; readonly forMs: number; readonly factor: number };
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
  /** For a while a share of the requests, 0..1, is pushed back whatever is in flight. */
  readonly refusals?: {
    readonly fromMs: number;
    readonly forMs: number;
    readonly share: number;
    readonly retryAfterMs?: number;
  };
  /** What a policy is expected to do; test/scenarios/README.md says where the numbers come from. */
  readonly bands?: {
    /** Rate of the whole load, ramp included, over the oracle's. */
    readonly shareOfOracle: readonly [number, number];
    /** Expected rate of the setting that the policy ends with, over that of the best setting then. */
    readonly settledShare: readonly [number, number];
  };
}

type Fields = Record<string, number>;
/** The optional parts of a scenario and the least value of each of their fields. */
const PARTS: Record<string, Fields> = {
  knee: { inFlight: 1, base: 1 },
  wander: { sd: 0, forMs: 1 },
  neighbour: { everyMs: 1, forMs: 0, factor: 0 },
  warmUp: { batches: 0, factor: 0 },
  stall: { everyRows: 1, ms: 0 },
  pushBack: { inFlight: 1 },
  refusals: { fromMs: 0, forMs: 0, share: 0 },
};
const STEP: Fields = { atMs: 0, fixed: 0, perVector: 0 };
const COST: Fields = { fixedMs: 0, perVectorMs: 0, superLinearMs: 0, sigma: 0, kappa: 0 };
const BANDS = ['shareOfOracle', 'settledShare'];

/**
 * Checks what a scenario file holds.
 * @throws VBO_ERR_SCENARIO naming the file and the first field that is wrong.
 */
export function parseScenario(text: string, name: string): Scenario {
  const fail = (what: string, cause?: unknown): never => {
    throw new VectorBatchError('VBO_ERR_SCENARIO', `Scenario ${name}: ${what}`, { cause, details: { name } });
  };
  const checkAtLeast = (value: unknown, field: string, min: number) => {
    if (typeof value !== 'number' || !(value >= min))
      fail(`"${field}" is ${describe(value)}; expected a number >= ${min}.`);
  };
  const checkFields = (value: unknown, field: string, fields: Fields) => {
    for (const [key, min] of Object.entries(fields)) {
      checkAtLeast((value as Fields | undefined)?.[key], `${field}.${key}`, min);
    }
  };
  let file: Record<string, unknown>;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    return fail('the file is not JSON.', cause);
  }
  if (typeof file !== 'object' || file === null) fail('the file is not an object.');
  if (typeof file.sentence !== 'string') fail('"sentence" is missing.');
  checkAtLeast(file.dimension, 'dimension', 1);
  checkAtLeast(file.rows, 'rows', 1);
  const { database, ...scenario } = file;
  if (database !== undefined) {
    const law = MEASURED_LAWS[database as keyof typeof MEASURED_LAWS];
    if (!law) {
      const known = Object.keys(MEASURED_LAWS).join(', ');
      fail(`"database" is ${describe(database)}; expected one of ${known}.`);
    }
    scenario.cost ??= costAt(law, scenario.dimension as number);
  }
  checkFields(scenario.cost, 'cost', COST);
  for (const [part, fields] of Object.entries(PARTS)) {
    if (scenario[part] !== undefined) checkFields(scenario[part], part, fields);
  }
  for (const field of ['jitter', 'slowdownPerMillion']) {
    if (scenario[field] !== undefined) checkAtLeast(scenario[field], field, 0);
  }
  if (scenario.steps !== undefined) {
    if (!Array.isArray(scenario.steps)) fail(`"steps" is ${describe(scenario.steps)}; expected an array.`);
    for (const [k, step] of (scenario.steps as unknown[]).entries()) checkFields(step, `steps[${k}]`, STEP);
  }
  for (const band of scenario.bands === undefined ? [] : BANDS) {
    const value = (scenario.bands as Record<string, unknown> | null)?.[band];
    const [low, high] = Array.isArray(value) ? value : [];
    if (!(low <= high)) fail(`"bands.${band}" is ${describe(value)}; expected [low, high].`);
  }
  return scenario as unknown as Scenario;
}
