import { toVectorBatchError, type VectorBatchError } from '../core/errors.js';

/**
 * A caller's function, made safe to call anywhere: what it throws, or rejects with if it is asynchronous, goes to `fail`
 * instead of ending the process.
 */
export function callback<T>(
  name: string,
  call: (value: T) => unknown,
  fail: (error: VectorBatchError) => void,
): (value: T) => void {
  const failed = (error: unknown) => fail(toVectorBatchError(error, 'VBO_ERR_INTERNAL', `${name} failed`));
  return (value) => {
    try {
      const result = call(value);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}
