import { convertRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { IntegerQuery } from './query.js';
import { type At, convertRecords, type Records, scanRecords } from './records.js';

/** Codes are 0 .. 255: an interval has 255 steps. */
export const INT8_STEPS = 255;

/** Bytes of a vector's record: its interval, two float32, and its codes. */
export const int8RecordBytes = (dimension: number): number => 8 + dimension;

/**
 * float32 -> records of 8-bit codes between each vector's own least and greatest element. NaN becomes the least; a
 * constant vector has codes 0 and is kept exactly.
 */
export function encodeInt8Rows(source: Matrix<'float32'>, target: Records, parts = 1): KernelCall[] {
  return convertRecords('encodeInt8Rows', source, source.dimension, target, parts, () => []);
}

/** Records -> float32: lower + step * code. */
export function decodeInt8Rows(source: Records, target: Matrix<'float32'>, parts = 1): KernelCall[] {
  return convertRecords('decodeInt8Rows', source, target.dimension, target, parts, () => []);
}

/** target[row] = dot product of the query and the vector that the record stands for, float32. */
export function scanInt8Rows(
  query: IntegerQuery,
  records: Records,
  dimension: number,
  target: At,
  parts = 1,
): KernelCall[] {
  return scanRecords('scanInt8Rows', query, records, dimension, target, parts, [query.scale, query.sum]);
}

/** One interval per dimension, `dimension` float32 each: a code c of element d stands for lowers[d] + steps[d] * c. */
export interface ColumnIntervals {
  readonly lowers: At;
  readonly steps: At;
}

/** The step that spreads 255 steps over a column's range, and its inverse; both 0 for a column that is constant. */
export function columnStep(min: number, max: number): { step: number; inverse: number } {
  const step = min <= max ? Math.fround((max - min) / INT8_STEPS) : 0;
  const inverse = Math.fround(1 / step);
  return Number.isFinite(inverse) ? { step, inverse } : { step: 0, inverse: 0 };
}

/** float32 -> bare 8-bit codes; `inverses` holds 1 / step of each dimension, or 0. */
export function encodeInt8Columns(
  source: Matrix<'float32'>,
  target: Matrix<'int8'>,
  lowers: At,
  inverses: At,
  parts = 1,
): KernelCall[] {
  const further = () => [lowers.pointer, inverses.pointer];
  return convertRows('encodeInt8Columns', source, target, parts, further);
}

/** Bare codes -> float32. */
export function decodeInt8Columns(
  source: Matrix<'int8'>,
  target: Matrix<'float32'>,
  { lowers, steps }: ColumnIntervals,
  parts = 1,
): KernelCall[] {
  return convertRows('decodeInt8Columns', source, target, parts, () => [lowers.pointer, steps.pointer]);
}

/**
 * target[row] = scale * sum(q16 * code) + constant, float32: the dot product with bare codes. Under one interval for all,
 * scale is step * query.scale and the constant lower * query.sum; under one per dimension the query is weighted by the
 * steps beforehand and the constant is the dot product of the query and the lowers.
 */
export function scanInt8(
  query: At,
  codes: Matrix<'int8'>,
  target: At,
  { scale, constant }: { scale: number; constant: number },
  parts = 1,
): KernelCall[] {
  return scanRecords('scanInt8', query, codes, codes.dimension, target, parts, [scale, constant]);
}
