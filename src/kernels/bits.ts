import { compareRows, convertRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import { type Matrix, rowByteLength } from './matrix.js';

/**
 * float32 -> one bit per element, set when x > 0 (so neither for zeros nor for NaN). Element d is bit d % 8,
 * least significant first, of byte floor(d / 8); the unused bits of the last byte are 0.
 */
export function encodeBits(source: Matrix<'float32'>, target: Matrix<'bit'>, parts = 1): KernelCall[] {
  return convertRows('encodeBits', source, target, parts);
}

/** One bit per element -> float32 +1 or -1. */
export function decodeBits(source: Matrix<'bit'>, target: Matrix<'float32'>, parts = 1): KernelCall[] {
  return convertRows('decodeBits', source, target, parts);
}

/** target[row] = number of elements in which the query (one row) and the row differ, int32. */
export function hammingBits(
  query: Matrix<'bit'>,
  bits: Matrix<'bit'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  return compareRows('hammingBits', query, bits, rowByteLength('bit', bits.dimension), target, parts);
}
