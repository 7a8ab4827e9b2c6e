import { VectorBatchError } from '../core/errors.js';

/**
 * The JSON of a value of the caller's.
 * @throws VBO_ERR_RECORD if there is none: a bigint, a circle, a `toJSON` that throws
 */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_RECORD',
      `A payload cannot be told in JSON: ${(cause as Error).message}`,
      { cause },
    );
  }
}
