import { checkNumber, describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { checkRecord } from '../model/records.js';

/**
 * Returns `value` if it is an execution record whose every known field can be kept.
 * @throws VBO_ERR_ARGUMENT naming the field, the value and what was expected
 */
export function checkStorable(value: unknown, name: string): BatchExecutionRecord {
  const record = checkRecord(value, name);
  for (const field of ['batch_p95_ms', 'peak_rss_mb', 'ts'] as const) {
    const number = record[field];
    if (number === undefined || number === null) continue;
    checkNumber(number, `${name}.${field}`, { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  for (const field of ['deployment', 'error'] as const) {
    const text: unknown = record[field];
    if (text === undefined || text === null || typeof text === 'string') continue;
    throw new VectorBatchError('VBO_ERR_ARGUMENT', `${name}.${field} is ${describe(text)}; expected text.`, {
      details: { argument: `${name}.${field}`, value: text },
    });
  }
  return record;
}
