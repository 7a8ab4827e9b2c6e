import { VectorBatchError } from './errors.js';

/** Bounds of a number argument: `integer` also refuses fractions; both ends are inclusive. */
export interface NumberBounds {
  min: number;
  max: number;
  integer?: boolean;
}

/**
 * Returns `value` if it is a finite number within `bounds`.
 * @throws VBO_ERR_ARGUMENT naming the argument, the value and what was expected.
 */
export function checkNumber(value: unknown, name: string, bounds: NumberBounds): number {
  const kind = bounds.integer ? 'an integer' : 'a number';
  if (
    typeof value !== 'number' ||
    !(value >= bounds.min && value <= bounds.max) ||
    (bounds.integer && !Number.isInteger(value))
  ) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `${name} is ${describe(value)}; expected ${kind} from ${bounds.min} to ${bounds.max}.`,
      { details: { argument: name, value, ...bounds } },
    );
  }
  return value;
}

/**
 * Returns `value` if it is one of `allowed`.
 * @throws VBO_ERR_ARGUMENT naming the argument, the value and the allowed ones.
 */
export function checkOneOf<T extends string>(value: unknown, name: string, allowed: readonly T[]): T {
  if (typeof value === 'string' && (allowed as readonly string[]).includes(value)) return value as T;
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `${name} is ${describe(value)}; expected one of ${allowed.join(', ')}.`,
    { details: { argument: name, value, allowed } },
  );
}

/** A short rendering of any value for an error message. */
export function describe(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object') return String(value);
  return Array.isArray(value) ? `an array of ${value.length}` : (value.constructor?.name ?? 'an object');
}
