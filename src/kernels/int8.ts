import { compareRows, convertRows } from './convert.js';
import type { KernelCall } from './kernels.js';
import type { Matrix } from './matrix.js';
import type { ValueRange } from './range.js';

/** Codes are 0 .. 127: 7 bits in a byte, so that no step of a SIMD product saturates. */
export const INT8_MAX_CODE = 127;
/** Bytes a vector's correction terms take: two int32, the sum of its codes and of their squares. */
export const INT8_TERM_BYTES = 8;

/** A code c stands for `alpha * c + offset`. Both are float32 values. `alpha` is 0 for constant data. */
export interface Int8Calibration {
  readonly alpha: number;
  readonly offset: number;
}

/**
 * The calibration that spreads the codes over a range of values, as Qdrant's scalar quantization does
 * (`encoded_vectors_u8`): alpha = (max - min) / 127, offset = min. An empty range, and one too narrow for
 * 127 / (max - min) to be a float32, count as constant: alpha = 0 and every code is 0.
 */
export function calibrateInt8(range: ValueRange): Int8Calibration {
  if (!(range.min <= range.max)) return { alpha: 0, offset: 0 };
  const alpha = Math.fround((range.max - range.min) / INT8_MAX_CODE);
  const offset = Math.fround(range.min);
  return Number.isFinite(Math.fround(1 / alpha)) ? { alpha, offset } : { alpha: 0, offset };
}

/** What the encoder multiplies by: float32(1 / alpha), or 0 for constant data. */
export function int8Inverse(calibration: Int8Calibration): number {
  return calibration.alpha === 0 ? 0 : Math.fround(1 / calibration.alpha);
}

/**
 * float32 -> 7-bit codes: round half to even of clamp((x - offset) * (1 / alpha), 0, 127) in float32. NaN
 * becomes 0, infinities 0 or 127. `terms`, if given, receives {@link INT8_TERM_BYTES} per row.
 */
export function encodeInt8(
  source: Matrix<'float32'>,
  target: Matrix<'int8'>,
  terms: { readonly pointer: number } | null,
  calibration: Int8Calibration,
  parts = 1,
): KernelCall[] {
  const inverse = int8Inverse(calibration);
  return convertRows('encodeInt8', source, target, parts, (first) => [
    terms ? terms.pointer + INT8_TERM_BYTES * first : 0,
    inverse,
    calibration.offset,
  ]);
}

/** Codes -> float32: alpha * code + offset. */
export function decodeInt8(
  source: Matrix<'int8'>,
  target: Matrix<'float32'>,
  calibration: Int8Calibration,
  parts = 1,
): KernelCall[] {
  return convertRows('decodeInt8', source, target, parts, () => [calibration.alpha, calibration.offset]);
}

/** target[row] = sum of products of the query's codes (one row) and the row's, int32, exact. */
export function dotInt8(
  query: Matrix<'int8'>,
  codes: Matrix<'int8'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  return compareRows('dotInt8', query, codes, codes.dimension, target, parts);
}

/** target[row] = sum of squared differences of the query's codes (one row) and the row's, int32, exact. */
export function squaredL2Int8(
  query: Matrix<'int8'>,
  codes: Matrix<'int8'>,
  target: { readonly pointer: number },
  parts = 1,
): KernelCall[] {
  return compareRows('squaredL2Int8', query, codes, codes.dimension, target, parts);
}

/**
 * Estimates the dot product of two vectors from the dot product of their codes and their code sums:
 * alpha^2 c.d + alpha offset (sum c + sum d) + D offset^2.
 */
export function estimateDotInt8(
  calibration: Int8Calibration,
  dimension: number,
  codeDot: number,
  sumOfCodes: number,
  sumOfOtherCodes: number,
): number {
  const { alpha, offset } = calibration;
  return alpha * (alpha * codeDot + offset * (sumOfCodes + sumOfOtherCodes)) + dimension * offset * offset;
}

/** Estimates the squared Euclidean distance of two vectors from that of their codes: alpha^2 |c - d|^2. */
export function estimateSquaredL2Int8(calibration: Int8Calibration, codeSquaredL2: number): number {
  return calibration.alpha * calibration.alpha * codeSquaredL2;
}
