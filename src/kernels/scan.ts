import { compareRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { IntegerQuery } from './query.js';
import { type At, scanRecords } from './records.js';

/** target[row] = dot product of the query (float32) and the row, float32. */
export function scanFloat16(query: At, rows: Matrix<'float16'>, target: At, parts = 1): KernelCall[] {
  return compareRows('scanFloat16', query, rows, rows.dimension, target, parts);
}

/** target[row] = dot product of the query and the row's bits as +1 and -1, float32. */
export function scanBits(query: IntegerQuery, rows: Matrix<'bit'>, target: At, parts = 1): KernelCall[] {
  const further = [2 * query.scale, -query.sum];
  return scanRecords('scanBits', query, rows, rows.dimension, target, parts, further);
}
