import { checkNumber, describe } from '../core/check.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_DIMENSION } from '../core/limits.js';
import type { CostModel } from './cost.js';
import type { Drift } from './drift.js';
import { NODES } from './lattice.js';
import type { MemoryLine } from './memory-line.js';
import type { RequestLimits } from './profile.js';

/** Raised whenever what is below changes its meaning; another version is refused. */
export const STATE_VERSION = 1;
const FORMAT = 'vector-batch-optimizer model';

/** All that a `PerformanceModel` learnt, as JSON. */
export interface ModelState {
  readonly format: typeof FORMAT;
  readonly version: typeof STATE_VERSION;
  readonly databases: readonly DatabaseState[];
}

export interface DatabaseState {
  /** The profile's name. */
  readonly database: string;
  /** What failures taught. */
  readonly limits: RequestLimits;
  /** The largest request that succeeded. */
  readonly reached: { readonly rows: number; readonly requestBytes: number };
  readonly fits: readonly FitState[];
}

/** How well the model fits the records of one dimension. */
export interface FitState {
  readonly dimension: number;
  readonly records: number;
  /** Distinct (batch size, concurrency) among them. */
  readonly settings: number;
  readonly model: CostModel;
  readonly medianAbsoluteRelativeError: number;
  /** 95th percentile of a request's time over its mean; absent where no record says. */
  readonly tail?: number;
  /** How the database slows down as it fills, where that lowers the held-out error; `model` is of an empty one then. */
  readonly drift?: Drift;
  /** Peak memory of the loading process, where the line is nearer to what was measured than the accounting is. */
  readonly memory?: MemoryLine;
  /** What a random forest adds to log(rate) at every node of the lattice, where it lowers the held-out error. */
  readonly correction?: readonly number[];
  /** Expected share of the best rate at every node of the lattice; absent in states of before there was one. */
  readonly shares?: readonly number[];
}

export const stateOf = (databases: readonly DatabaseState[]): ModelState => ({
  ...{ format: FORMAT, version: STATE_VERSION },
  databases,
});

/**
 * Returns `value` if it is the state of a model, whole and of this version.
 * @throws VBO_ERR_MODEL saying what is wrong with it, and where.
 */
export function checkState(value: unknown): ModelState {
  const state = fieldsOf(value, 'model');
  if (state.format !== FORMAT)
    refuse(`model.format is ${describe(state.format)}`, `${JSON.stringify(FORMAT)}`);
  if (state.version !== STATE_VERSION)
    refuse(`model.version is ${describe(state.version)}`, `${STATE_VERSION}`);
  try {
    for (const [i, database] of arrayOf(state.databases, 'model.databases').entries()) {
      checkDatabase(database, `model.databases[${i}]`);
    }
  } catch (error) {
    // The checks of numbers speak of arguments; a damaged file is none.
    if (error instanceof VectorBatchError && error.code === 'VBO_ERR_MODEL') throw error;
    const { message } = toVectorBatchError(error, 'VBO_ERR_MODEL', 'The model');
    throw new VectorBatchError('VBO_ERR_MODEL', message, { cause: error });
  }
  return value as ModelState;
}

function checkDatabase(value: unknown, name: string): void {
  const { database, limits, reached, fits } = fieldsOf(value, name);
  if (typeof database !== 'string' || database === '')
    refuse(`${name}.database is ${describe(database)}`, 'a name');
  const bounds = fieldsOf(limits, `${name}.limits`);
  for (const key of ['maxRows', 'maxRequestBytes'] as const) {
    if (bounds[key] !== undefined) amount(bounds[key], `${name}.limits.${key}`);
  }
  const most = fieldsOf(reached, `${name}.reached`);
  checkNumber(most.rows, `${name}.reached.rows`, { min: 0, max: MAX_BATCH_SIZE });
  amount(most.requestBytes, `${name}.reached.requestBytes`);
  for (const [i, fit] of arrayOf(fits, `${name}.fits`).entries()) checkFit(fit, `${name}.fits[${i}]`);
}

function checkFit(value: unknown, name: string): void {
  const fit = fieldsOf(value, name);
  checkNumber(fit.dimension, `${name}.dimension`, { min: 1, max: MAX_DIMENSION, integer: true });
  for (const key of ['records', 'settings', 'medianAbsoluteRelativeError'] as const) {
    amount(fit[key], `${name}.${key}`);
  }
  if (fit.tail !== undefined) checkNumber(fit.tail, `${name}.tail`, { min: 1, max: Number.MAX_VALUE });
  if (fit.drift !== undefined) {
    const drift = fieldsOf(fit.drift, `${name}.drift`);
    for (const key of ['perMillion', 'medianRows', 'mostRows']) amount(drift[key], `${name}.drift.${key}`);
  }
  if (fit.memory !== undefined) {
    const memory = fieldsOf(fit.memory, `${name}.memory`);
    checkNumber(memory.baseMb, `${name}.memory.baseMb`, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
    amount(memory.mbPerVector, `${name}.memory.mbPerVector`);
  }
  checkNodes(fit.shares, `${name}.shares`, 0);
  checkNodes(fit.correction, `${name}.correction`, -100);
  const model = fieldsOf(fit.model, `${name}.model`);
  for (const key of ['fixedMs', 'perVectorMs', 'superLinearMs', 'sigma', 'kappa']) {
    amount(model[key], `${name}.model.${key}`);
  }
}

/** One number for every node of the lattice, or none at all. */
function checkNodes(value: unknown, name: string, min: number): void {
  if (value === undefined) return;
  const values = arrayOf(value, name);
  if (values.length !== NODES) refuse(`${name} has ${values.length} numbers`, `${NODES}`);
  for (const [i, one] of values.entries()) checkNumber(one, `${name}[${i}]`, { min, max: Number.MAX_VALUE });
}

const amount = (value: unknown, name: string): number =>
  checkNumber(value, name, { min: 0, max: Number.MAX_VALUE });

function fieldsOf(value: unknown, name: string): Record<string, unknown> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    return value as Record<string, unknown>;
  return refuse(`${name} is ${describe(value)}`, 'an object');
}

const arrayOf = (value: unknown, name: string): readonly unknown[] =>
  Array.isArray(value) ? value : refuse(`${name} is ${describe(value)}`, 'an array');

function refuse(what: string, expected: string): never {
  throw new VectorBatchError('VBO_ERR_MODEL', `${what}; expected ${expected}.`);
}
