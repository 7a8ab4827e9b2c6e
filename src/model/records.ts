import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY, MAX_DIMENSION, MAX_ITEMS } from '../core/limits.js';
import type { BatchExecutionRecord } from '../core/types.js';
import type { LatencySample } from './fit.js';

const MEASURES = [
  ...['execution_time_ms', 'throughput_vps', 'batch_p50_ms', 'batch_p95_ms'],
  ...['bytes_per_vector', 'peak_rss_mb', 'ts'],
];

/**
 * Returns `value` if it is an execution record; missing optional fields and unknown further ones are fine.
 * @throws VBO_ERR_ARGUMENT naming the field, the value and what was expected.
 */
export function checkRecord(value: unknown, name: string): BatchExecutionRecord {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${name} is ${describe(value)}; expected an execution record.`,
      {
        details: { argument: name, value },
      },
    );
  }
  const record = value as Record<string, unknown>;
  if (typeof record.database_type !== 'string' || record.database_type === '') {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${name}.database_type is ${describe(record.database_type)}; expected the database's name.`,
      { details: { argument: `${name}.database_type`, value: record.database_type } },
    );
  }
  const count = (field: string, max: number) =>
    checkNumber(record[field], `${name}.${field}`, { min: 1, max, integer: true });
  const optional = (field: string, bounds: { max: number; integer?: boolean }) => {
    if (record[field] !== undefined && record[field] !== null)
      checkNumber(record[field], `${name}.${field}`, { min: 0, ...bounds });
  };
  count('vector_dimension', MAX_DIMENSION);
  count('batch_size', MAX_BATCH_SIZE);
  count('concurrency', MAX_CONCURRENCY);
  for (const field of ['item_count', 'collection_rows']) optional(field, { max: MAX_ITEMS, integer: true });
  for (const field of MEASURES) optional(field, { max: Number.MAX_SAFE_INTEGER });
  for (const field of ['deployment', 'error']) {
    const text = record[field];
    if (text === undefined || text === null || typeof text === 'string') continue;
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `${name}.${field} is ${describe(text)}; expected text.`, {
      details: { argument: `${name}.${field}`, value: text },
    });
  }
  if (typeof record.success !== 'boolean') {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${name}.success is ${describe(record.success)}; expected true or false.`,
      { details: { argument: `${name}.success`, value: record.success } },
    );
  }
  return value as BatchExecutionRecord;
}

/** A nanosecond, and eleven days: what lies beyond is no request, and would swamp what was measured of others. */
const LEAST_LATENCY_MS = 1e-6;
const MOST_LATENCY_MS = 1e9;

/**
 * What a record measured, or why it measured nothing. The latency is the effective one, batch x concurrency
 * over the rate (Little's law), so that a model of latencies answers for the rate; where there is no rate,
 * items over time, and else the median batch.
 */
export function toSample(record: BatchExecutionRecord): LatencySample | { unmeasured: string } {
  const { batch_size: batchSize, concurrency, item_count: items } = record;
  if (!record.success) return { unmeasured: 'it failed' };
  const inFlight = batchSize * concurrency;
  if (typeof items === 'number' && inFlight > items) {
    return {
      unmeasured: `batch_size x concurrency is ${inFlight}, more than its ${items} items: never all in flight`,
    };
  }
  let latencyMs = 0;
  if (record.throughput_vps) latencyMs = (1000 * inFlight) / record.throughput_vps;
  else if (record.execution_time_ms && items) latencyMs = (record.execution_time_ms * inFlight) / items;
  else if (record.batch_p50_ms) latencyMs = record.batch_p50_ms;
  if (!(latencyMs > 0)) return { unmeasured: 'it holds neither rate nor time' };
  if (latencyMs < LEAST_LATENCY_MS || latencyMs > MOST_LATENCY_MS) {
    return {
      unmeasured: `it says that a request took ${latencyMs} ms; between ${LEAST_LATENCY_MS} and ${MOST_LATENCY_MS} is believed`,
    };
  }
  return { batchSize, concurrency, latencyMs };
}

/** Vectors per second of a measurement: Little's law the other way round. */
export const rateOf = ({ batchSize, concurrency, latencyMs }: LatencySample): number =>
  (1000 * batchSize * concurrency) / latencyMs;

/** What a failed request says about its size. */
export type SizeLesson = 'bytes' | 'rows' | 'overload' | 'unknown';

const OVERLOAD =
  /\b(429|503|504)\b|time.?out|timed out|overload|too many requests|back.?pressure|rate.?limit|econn/i;
const BYTES =
  /\b413\b|too large|max_request_size|content.?length|message size|larger than max|resource_exhausted|payload size|query.?size/i;
const ROWS =
  /batch.?size|max_batch|bind|parameter|too many (rows|records|points|vectors|values)|records? per|upsert_max/i;

/** Of a message, this much is read: longer ones trail off in a stack or the request itself. */
const READ_CHARACTERS = 2000;

/** Reads a failure's message: is the body too large, are there too many rows, or is it about something else? */
export function sizeLesson(error: string): SizeLesson {
  const message = error.slice(0, READ_CHARACTERS);
  if (BYTES.test(message)) return 'bytes';
  if (ROWS.test(message)) return 'rows';
  return OVERLOAD.test(message) ? 'overload' : 'unknown';
}
