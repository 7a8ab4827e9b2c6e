import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY, MAX_DIMENSION } from '../core/limits.js';
import type { BatchExecutionRecord, Setting } from '../core/types.js';
import type { LatencySample } from '../model/fit.js';
import type { DatabaseProfile } from '../model/profile.js';
import { profileOf } from '../model/profiles.js';
import { checkRecord, toSample } from '../model/records.js';
import { fieldsOf } from './arguments.js';

export interface CurrentPerformance {
  /** Time of the last batch, from sending it to its acknowledgement, ms. */
  executionTimeMs: number;
  /** Share of the recent batches that succeeded, 0..1. */
  successRate: number;
  /** Memory of the process, MB. */
  memoryUsageMb: number;
  /** What the load runs with now. Default: as the last historical record, and else 100 and 1. */
  batchSize?: number;
  concurrency?: number;
  /** Default: as the last historical record, and else `generic` and 768. */
  databaseType?: string;
  vectorDimension?: number;
}

/** Where a load stands. */
export interface Situation {
  readonly current: Setting;
  readonly profile: DatabaseProfile;
  readonly dimension: number;
  /** Every record handed in. */
  readonly records: readonly BatchExecutionRecord[];
  /** What those of this database and dimension measured. */
  readonly history: readonly LatencySample[];
}

/** A step goes at most twice past what the current setting and the history have seen. */
const REACH = 2;

/** Between half the least and twice the most that has been seen, the present included. */
export function reach(
  current: number,
  history: readonly LatencySample[],
  axis: 'batchSize' | 'concurrency',
): { low: number; high: number } {
  let low = current;
  let high = current;
  for (const sample of history) {
    low = Math.min(low, sample[axis]);
    high = Math.max(high, sample[axis]);
  }
  return { low: Math.max(1, Math.floor(low / REACH)), high: high * REACH };
}

/**
 * Puts the load's present and past together.
 * @throws VBO_ERR_ARGUMENT naming the argument or the record's field that is out of its bounds.
 */
export function situationOf(performance: CurrentPerformance, patterns: unknown): Situation {
  if (!Array.isArray(patterns)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `historicalPatterns is ${describe(patterns)}; expected an array of execution records.`,
      { details: { argument: 'historicalPatterns', value: patterns } },
    );
  }
  const records = patterns.map((record, i) => checkRecord(record, `historicalPatterns[${i}]`));
  const last = records.at(-1);
  const databaseType = performance.databaseType ?? last?.database_type ?? 'generic';
  const profile = profileOf(
    databaseType,
    performance.databaseType === undefined
      ? `historicalPatterns[${records.length - 1}].database_type`
      : 'currentPerformance.databaseType',
  );
  const dimension = performance.vectorDimension ?? last?.vector_dimension ?? profile.law.referenceDimension;
  const history: LatencySample[] = [];
  for (const [i, record] of records.entries()) {
    const sameDatabase =
      profileOf(record.database_type, `historicalPatterns[${i}].database_type`) === profile;
    const sample = toSample(record);
    if (sameDatabase && record.vector_dimension === dimension && !('unmeasured' in sample))
      history.push(sample);
  }
  return {
    current: {
      batchSize: performance.batchSize ?? last?.batch_size ?? 100,
      concurrency: performance.concurrency ?? last?.concurrency ?? 1,
    },
    profile,
    dimension,
    records,
    history,
  };
}

/** @throws VBO_ERR_ARGUMENT naming the field that is out of its bounds. */
export function checkPerformance(value: CurrentPerformance): CurrentPerformance {
  const performance = fieldsOf(value, 'currentPerformance');
  const check = (field: keyof CurrentPerformance, min: number, max: number, integer = false) =>
    checkNumber(performance[field], `currentPerformance.${field}`, { min, max, integer });
  check('executionTimeMs', 1e-6, 1e12);
  check('successRate', 0, 1);
  check('memoryUsageMb', 0, 1e9);
  if (performance.batchSize !== undefined) check('batchSize', 1, MAX_BATCH_SIZE, true);
  if (performance.concurrency !== undefined) check('concurrency', 1, MAX_CONCURRENCY, true);
  if (performance.vectorDimension !== undefined) check('vectorDimension', 1, MAX_DIMENSION, true);
  return value;
}
