import { compareRows, convertRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { At } from './records.js';

/**
 * float32 -> bfloat16, rounded to nearest even: |x| >= 2^127 (2 - 2^-8) becomes infinity, subnormals are kept, NaN stays
 * NaN (quiet, sign and upper payload kept).
 */
export function encodeBfloat16(
  source: Matrix<'float32'>,
  target: Matrix<'bfloat16'>,
  parts = 1,
): KernelCall[] {
  return convertRows('encodeBfloat16', source, target, parts);
}

/** bfloat16 -> float32, exact for every value. */
export function decodeBfloat16(
  source: Matrix<'bfloat16'>,
  target: Matrix<'float32'>,
  parts = 1,
): KernelCall[] {
  return convertRows('decodeBfloat16', source, target, parts);
}

/** target[row] = dot product of the query (float32) and the row, float32. */
export function scanBfloat16(query: At, rows: Matrix<'bfloat16'>, target: At, parts = 1): KernelCall[] {
  return compareRows('scanBfloat16', query, rows, rows.dimension, target, parts);
}
