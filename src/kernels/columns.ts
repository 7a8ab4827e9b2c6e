import type { KernelCall } from './kernels.js';
import { type Matrix, splitRows } from './matrix.js';
import type { At } from './records.js';

/** Columns that a kernel holds in registers. */
const GROUP = 16;

/**
 * target[c] = before[c] + the sum of column c, float64, added row by row: the same bits however the rows come in chunks
 * and the columns in parts.
 */
export function sumColumns(source: Matrix<'float32'>, before: At, target: At, parts = 1): KernelCall[] {
  return splitRows(source.dimension, parts, GROUP).map(({ first, count }) => ({
    name: 'sumColumns',
    args: [
      source.pointer + 4 * first,
      source.strideBytes,
      source.rows,
      count,
      before.pointer + 8 * first,
      target.pointer + 8 * first,
    ],
    workBytes: 4 * count * source.rows,
  }));
}

/** Least and greatest element of each column, float32; Infinity and -Infinity without rows. NaN is passed over. */
export function minMaxColumns(source: Matrix<'float32'>, mins: At, maxs: At, parts = 1): KernelCall[] {
  return splitRows(source.dimension, parts, GROUP).map(({ first, count }) => ({
    name: 'minMaxColumns',
    args: [
      source.pointer + 4 * first,
      source.strideBytes,
      source.rows,
      count,
      mins.pointer + 4 * first,
      maxs.pointer + 4 * first,
    ],
    workBytes: 4 * count * source.rows,
  }));
}
