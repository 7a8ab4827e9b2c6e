import { convertRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';

/**
 * float32 -> IEEE 754 binary16, rounded to nearest even: |x| >= 65520 becomes infinity, subnormals are
 * exact, NaN stays NaN (quiet, sign and upper payload kept).
 */
export function encodeFloat16(source: Matrix<'float32'>, target: Matrix<'float16'>, parts = 1): KernelCall[] {
  return convertRows('encodeFloat16', source, target, parts);
}

/** IEEE 754 binary16 -> float32, exact for every value. */
export function decodeFloat16(source: Matrix<'float16'>, target: Matrix<'float32'>, parts = 1): KernelCall[] {
  return convertRows('decodeFloat16', source, target, parts);
}
