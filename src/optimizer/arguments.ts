import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';

/**
 * The argument as an object whose fields are yet to be checked.
 * @throws VBO_ERR_ARGUMENT if it is not an object.
 */
export function fieldsOf<T extends object>(value: T, name: string): Partial<T> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
  throw new VectorBatchError('VBO_ERR_ARGUMENT', `${name} is ${describe(value)}; expected an object.`, {
    details: { argument: name, value },
  });
}
