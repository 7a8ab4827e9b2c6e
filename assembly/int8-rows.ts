// Scalar quantization to 8 bits with a finer calibration than one range for all values (`int8.ts`): one range per
// vector, or one per dimension, as faiss' QT_8bit does. Codes are 0 .. 255, so an interval has 255 steps.
//
// Per vector, with lower = min x and step = (max x - min x) / 255,
//
//   code(x) = roundHalfEven(clamp((x - lower) / step, 0, 255))        x ~ lower + step * code
//   dot(q, x) ~ lower * sum(q) + step * sum(q * code)
//
//   record   | f32 lower | f32 step | u8 code 0 .. D - 1 |      8 + D bytes, any stride
//
// Per dimension the same with lower[d] and step[d] of the column, held once for all vectors:
//
//   dot(q, x) ~ sum(q * lower) + sum((q * step) * code)
//
// so a query is weighted by the steps once and then meets bare codes.
//
// Where the step is too small for 1 / step to be a float32 (constant vectors), step is 0 and every code is 0.
// NaN becomes code 0 and does not count in the range.
//
// A query is 16-bit integers, q ~ scale * q16: an error of 2^-16 of its largest element, against 2^-9 of the interval in
// the codes; see code-sums.ts.
//
// Preconditions: strides >= the row's bytes; source and targets do not overlap.

import { sumBytes } from "./code-sums";
import { zeroPadding } from "./padding";

/** Adding 2^23 leaves the integer nearest to x (ties to even) in the low mantissa bits, for 0 <= x < 2^23. */
const MAGIC: f32 = 8388608;
const MAX_CODE: f32 = 255;

const CONSTANTS = memory.data<f32>([
  MAX_CODE, MAX_CODE, MAX_CODE, MAX_CODE,
  MAGIC, MAGIC, MAGIC, MAGIC,
], 16);

// @ts-ignore: decorator
@inline
function quantize(x: v128, lower: v128, inverse: v128, maxCode: v128, magic: v128): v128 {
  const scaled = f32x4.mul(f32x4.sub(x, lower), inverse);
  // pmax(0, NaN) is 0.
  const clamped = f32x4.pmin(maxCode, f32x4.pmax(f32x4.splat(0), scaled));
  return i32x4.sub(f32x4.add(clamped, magic), magic);
}

/**
 * The same for an element of the interval: only NaN, and the infinite difference of two huge elements, lie outside. The
 * narrowing to bytes makes 255 of the latter.
 */
// @ts-ignore: decorator
@inline
function quantizeOwn(x: v128, lower: v128, inverse: v128, magic: v128): v128 {
  const scaled = f32x4.mul(f32x4.sub(x, lower), inverse);
  return i32x4.sub(f32x4.add(f32x4.pmax(f32x4.splat(0), scaled), magic), magic);
}

/** 1 / step, or 0 where that is no float32. */
// @ts-ignore: decorator
@inline
function inverseOf(step: f32): f32 {
  const inverse: f32 = 1 / step;
  return inverse <= f32.MAX_VALUE ? inverse : 0;
}

/** float32 rows -> records, calibrated per vector. */
export function encodeInt8Rows(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  const magic = v128.load(CONSTANTS, 16);
  const rowBytes = <usize>dimension << 2;
  for (let row: u32 = 0; row < rows; row++) {
    const end = source + rowBytes;
    // Four chains each: one of each would wait for itself.
    let min0 = f32x4.splat(Infinity as f32);
    let min1 = min0;
    let min2 = min0;
    let min3 = min0;
    let max0 = f32x4.splat(-Infinity as f32);
    let max1 = max0;
    let max2 = max0;
    let max3 = max0;
    let p = source;
    for (; p + 64 <= end; p += 64) {
      const x0 = v128.load(p);
      const x1 = v128.load(p, 16);
      const x2 = v128.load(p, 32);
      const x3 = v128.load(p, 48);
      min0 = f32x4.pmin(min0, x0);
      max0 = f32x4.pmax(max0, x0);
      min1 = f32x4.pmin(min1, x1);
      max1 = f32x4.pmax(max1, x1);
      min2 = f32x4.pmin(min2, x2);
      max2 = f32x4.pmax(max2, x2);
      min3 = f32x4.pmin(min3, x3);
      max3 = f32x4.pmax(max3, x3);
    }
    min0 = f32x4.pmin(f32x4.pmin(min0, min1), f32x4.pmin(min2, min3));
    max0 = f32x4.pmax(f32x4.pmax(max0, max1), f32x4.pmax(max2, max3));
    for (; p < end; p += 4) {
      const x = v128.load32_splat(p);
      min0 = f32x4.pmin(min0, x);
      max0 = f32x4.pmax(max0, x);
    }
    const least = f32x4.extract_lane(reduceMin(min0), 0);
    const most: f32 = -f32x4.extract_lane(reduceMin(f32x4.neg(max0)), 0);
    // In float64: the difference of two float32 may not be one.
    const exact = least <= most ? <f32>((<f64>most - <f64>least) / 255) : 0;
    const inverse = inverseOf(exact);
    const lower: f32 = least <= most ? least + 0 : 0;
    store<f32>(target, lower);
    store<f32>(target, inverse == 0 ? 0 : exact, 4);

    const lowers = f32x4.splat(lower);
    const inverses = f32x4.splat(inverse);
    let to = target + 8;
    p = source;
    for (; p + 64 <= end; p += 64, to += 16) {
      const low = i16x8.narrow_i32x4_s(
        quantizeOwn(v128.load(p), lowers, inverses, magic),
        quantizeOwn(v128.load(p, 16), lowers, inverses, magic),
      );
      const high = i16x8.narrow_i32x4_s(
        quantizeOwn(v128.load(p, 32), lowers, inverses, magic),
        quantizeOwn(v128.load(p, 48), lowers, inverses, magic),
      );
      v128.store(to, i8x16.narrow_i16x8_u(low, high));
    }
    for (; p < end; p += 4, to++) {
      const code = i32x4.extract_lane(quantizeOwn(v128.load32_splat(p), lowers, inverses, magic), 0);
      store<u8>(to, <u8>min(code, 255));
    }
    zeroPadding(to, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** The least lane, in every lane. */
// @ts-ignore: decorator
@inline
function reduceMin(x: v128): v128 {
  const pair = f32x4.pmin(x, v128.shuffle<f64>(x, x, 1, 0));
  return f32x4.pmin(pair, v128.shuffle<f32>(pair, pair, 1, 0, 3, 2));
}

/** Records -> float32 rows, lower + step * code; padding zeroed. */
export function decodeInt8Rows(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const lower = load<f32>(source);
    const step = load<f32>(source, 4);
    const lowers = f32x4.splat(lower);
    const steps = f32x4.splat(step);
    let from = source + 8;
    let to = target;
    const end = target + (<usize>dimension << 2);
    for (; to + 32 <= end; to += 32, from += 8) {
      const codes = v128.load8x8_u(from);
      v128.store(to, dequantize(i32x4.extend_low_i16x8_u(codes), steps, lowers));
      v128.store(to, dequantize(i32x4.extend_high_i16x8_u(codes), steps, lowers), 16);
    }
    for (; to < end; to += 4, from++) store<f32>(to, <f32>load<u8>(from) * step + lower);
    zeroPadding(end, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

// @ts-ignore: decorator
@inline
function dequantize(codes: v128, steps: v128, lowers: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), steps), lowers);
}

/** float32 rows -> codes, calibrated per dimension: `lowers` and `inverses` are `dimension` float32 each. */
export function encodeInt8Columns(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  lowers: usize, inverses: usize,
): void {
  const maxCode = v128.load(CONSTANTS, 0);
  const magic = v128.load(CONSTANTS, 16);
  for (let row: u32 = 0; row < rows; row++) {
    let p = source;
    let to = target;
    const end = source + (<usize>dimension << 2);
    const toLower = lowers - source;
    const toInverse = inverses - source;
    for (; p + 64 <= end; p += 64, to += 16) {
      const l = p + toLower;
      const i = p + toInverse;
      const low = i16x8.narrow_i32x4_s(
        quantize(v128.load(p), v128.load(l), v128.load(i), maxCode, magic),
        quantize(v128.load(p, 16), v128.load(l, 16), v128.load(i, 16), maxCode, magic),
      );
      const high = i16x8.narrow_i32x4_s(
        quantize(v128.load(p, 32), v128.load(l, 32), v128.load(i, 32), maxCode, magic),
        quantize(v128.load(p, 48), v128.load(l, 48), v128.load(i, 48), maxCode, magic),
      );
      v128.store(to, i8x16.narrow_i16x8_u(low, high));
    }
    for (; p < end; p += 4, to++) {
      const code = quantize(
        v128.load32_splat(p), v128.load32_splat(p + toLower), v128.load32_splat(p + toInverse), maxCode, magic);
      store<u8>(to, <u8>i32x4.extract_lane(code, 0));
    }
    zeroPadding(to, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** Codes -> float32 rows, lowers[d] + steps[d] * code; padding zeroed. */
export function decodeInt8Columns(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
  lowers: usize, steps: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    let from = source;
    let to = target;
    const end = target + (<usize>dimension << 2);
    const toLower = lowers - target;
    const toStep = steps - target;
    for (; to + 32 <= end; to += 32, from += 8) {
      const codes = v128.load8x8_u(from);
      const l = to + toLower;
      const s = to + toStep;
      v128.store(to, dequantize(i32x4.extend_low_i16x8_u(codes), v128.load(s), v128.load(l)));
      v128.store(to, dequantize(i32x4.extend_high_i16x8_u(codes), v128.load(s, 16), v128.load(l, 16)), 16);
    }
    for (; to < end; to += 4, from++) {
      store<f32>(to, <f32>load<u8>(from) * load<f32>(to + toStep) + load<f32>(to + toLower));
    }
    zeroPadding(end, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** target[row] = scale * sum(q16 * code) + constant, float32: bare codes, one calibration for all vectors. */
export function scanInt8(
  query: usize, codes: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
  scale: f32, constant: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    store<f32>(target, scale * sumBytes(query, codes, dimension) + constant);
    codes += strideBytes;
    target += 4;
  }
}

/** target[row] = step * scale * sum(q16 * code) + lower * querySum, float32. `querySum` is scale * sum(q16). */
export function scanInt8Rows(
  query: usize, records: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
  scale: f32, querySum: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const sum = scale * sumBytes(query, records + 8, dimension);
    store<f32>(target, load<f32>(records, 4) * sum + load<f32>(records) * querySum);
    records += strideBytes;
    target += 4;
  }
}
