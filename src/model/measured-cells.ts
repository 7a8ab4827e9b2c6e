import { VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { type Aggregate, aggregateRecords } from './aggregate.js';
import type { LatencySample } from './fit.js';
import { checkRecord } from './records.js';

/**
 * The cells of records of one database and dimension.
 * @throws VBO_ERR_ARGUMENT for a record that is none, VBO_ERR_RECORD if nothing was measured or pairs are mixed
 */
export function measuredCells(records: readonly BatchExecutionRecord[]): Aggregate[] {
  const cells = aggregateRecords(records.map((record, i) => checkRecord(record, `records[${i}]`))).filter(
    ({ count }) => count > 0,
  );
  const pairs = new Set(cells.map(({ database, dimension }) => `${database} at ${dimension} dimensions`));
  if (pairs.size === 1) return cells;
  throw new VectorBatchError(
    'VBO_ERR_RECORD',
    `The ${records.length} records measure ${pairs.size === 0 ? 'nothing' : [...pairs].join(' and ')}; expected one database at one dimension.`,
  );
}

/** A cell as the fit takes it. */
export const sampleOf = ({
  batchSize,
  concurrency,
  count,
  vectorsPerSecond: rate,
}: Aggregate): LatencySample => ({
  ...{ batchSize, concurrency, weight: count, latencyMs: (1000 * batchSize * concurrency) / rate },
});
