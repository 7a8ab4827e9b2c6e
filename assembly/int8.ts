// Scalar quantization to 7 bits in a byte (Qdrant's `encoded_vectors_u8`): codes 0 .. 127, one byte each, so that a
// product fits 14 bits and no SIMD step saturates.
//
//   alpha = (max - min) / 127,  offset = min
//   code(x) = roundHalfEven(clamp((x - offset) * (1 / alpha), 0, 127))       NaN -> 0
//   x      ~ alpha * code + offset
//
// With x ~ alpha c + offset, for vectors of dimension D,
//
//   dot(x, y)   ~ alpha^2 sum(c_x c_y) + alpha offset (sum c_x + sum c_y) + D offset^2
//   |x - y|^2   ~ alpha^2 (sum c_x^2 + sum c_y^2 - 2 sum c_x c_y)
//
// so each vector keeps two exact integers beside its codes: { sum c, sum c^2 }, 8 bytes, both below 2^31 up to
// dimension 65,536 * 2. A constant data set has alpha = 0; the caller then passes inverse = 0, every code is 0 and
// decodes to the offset.
//
//   codes   row 0: c c c ... 0 0 | row 1: ...      targetStride bytes apart, padding zeroed
//   terms   { i32 sum, i32 squares } per row
//
// Preconditions: strides >= the row's bytes; codes <= 127; source and targets do not overlap.

import { zeroPadding } from "./padding";

const MAX_CODE: i32 = 127;
/** Adding 2^23 leaves the integer nearest to x (ties to even) in the low mantissa bits, for 0 <= x < 2^23. */
const MAGIC: f32 = 8388608;

const CONSTANTS = memory.data<f32>([MAGIC, MAGIC, MAGIC, MAGIC], 16);

/**
 * Four codes, of which those above 127 are still to be clamped: below 2^23 the nearest integer, from there on, where
 * the bits of the sum only order the values, a number that any narrowing saturates.
 */
// @ts-ignore: decorator
@inline
function quantize(x: v128, offsets: v128, inverses: v128, magic: v128): v128 {
  const scaled = f32x4.mul(f32x4.sub(x, offsets), inverses);
  // pmax(0, NaN) is 0; see range.ts.
  return i32x4.sub(f32x4.add(f32x4.pmax(f32x4.splat(0), scaled), magic), magic);
}

/** Eight codes as i16, not clamped to 127. */
// @ts-ignore: decorator
@inline
function quantize8(from: usize, offsets: v128, inverses: v128, magic: v128): v128 {
  return i16x8.narrow_i32x4_s(
    quantize(v128.load(from), offsets, inverses, magic),
    quantize(v128.load(from, 16), offsets, inverses, magic),
  );
}

/** One code. */
// @ts-ignore: decorator
@inline
function quantize1(from: usize, offsets: v128, inverses: v128, magic: v128): i32 {
  return min(i32x4.extract_lane(quantize(v128.load32_zero(from), offsets, inverses, magic), 0), MAX_CODE);
}

/** float32 rows -> codes and terms. `terms` may be 0: then none are computed. */
export function encodeInt8(
  source: usize, sourceStride: u32, rows: u32, dimension: u32,
  target: usize, targetStride: u32, terms: usize, inverse: f32, offset: f32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    if (terms == 0) {
      encodeRow(source, target, dimension, inverse, offset);
    } else {
      encodeRowWithTerms(source, target, dimension, terms, inverse, offset);
      terms += 8;
    }
    zeroPadding(target + dimension, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

function encodeRow(from: usize, to: usize, dimension: u32, inverse: f32, offset: f32): void {
  const magic = v128.load(CONSTANTS);
  const offsets = f32x4.splat(offset);
  const inverses = f32x4.splat(inverse);
  const maxCodes = i8x16.splat(<i8>MAX_CODE);
  const end = to + dimension;
  for (; to + 16 <= end; to += 16, from += 64) {
    const low = quantize8(from, offsets, inverses, magic);
    const high = quantize8(from + 32, offsets, inverses, magic);
    v128.store(to, i8x16.min_u(i8x16.narrow_i16x8_u(low, high), maxCodes));
  }
  for (; to < end; to++, from += 4) store<u8>(to, <u8>quantize1(from, offsets, inverses, magic));
}

function encodeRowWithTerms(
  from: usize, to: usize, dimension: u32, terms: usize, inverse: f32, offset: f32,
): void {
  const magic = v128.load(CONSTANTS);
  const offsets = f32x4.splat(offset);
  const inverses = f32x4.splat(inverse);
  const maxCodes = i16x8.splat(<i16>MAX_CODE);
  const end = to + dimension;
  let sums = i64x2.splat(0);
  let squares = i64x2.splat(0);
  for (; to + 16 <= end; to += 16, from += 64) {
    const low = i16x8.min_s(quantize8(from, offsets, inverses, magic), maxCodes);
    const high = i16x8.min_s(quantize8(from + 32, offsets, inverses, magic), maxCodes);
    v128.store(to, i8x16.narrow_i16x8_u(low, high));
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.add(low, high)));
    squares = i32x4.add(squares, i32x4.add(i32x4.dot_i16x8_s(low, low), i32x4.dot_i16x8_s(high, high)));
  }
  let sum = addLanes(sums);
  let square = addLanes(squares);
  for (; to < end; to++, from += 4) {
    const code = quantize1(from, offsets, inverses, magic);
    store<u8>(to, <u8>code);
    sum += code;
    square += code * code;
  }
  store<i32>(terms, sum);
  store<i32>(terms, square, 4);
}

/** Codes -> float32 rows, alpha * code + offset; padding zeroed. */
export function decodeInt8(
  source: usize, sourceStride: u32, rows: u32, dimension: u32,
  target: usize, targetStride: u32, alpha: f32, offset: f32,
): void {
  const alphas = f32x4.splat(alpha);
  const offsets = f32x4.splat(offset);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source;
    let to = target;
    const end = target + (<usize>dimension << 2);
    for (; to + 32 <= end; to += 32, from += 8) {
      const codes = v128.load8x8_u(from);
      v128.store(to, dequantize(i32x4.extend_low_i16x8_u(codes), alphas, offsets));
      v128.store(to, dequantize(i32x4.extend_high_i16x8_u(codes), alphas, offsets), 16);
    }
    for (; to < end; to += 4, from++) store<f32>(to, <f32>load<u8>(from) * alpha + offset);
    zeroPadding(end, target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

// @ts-ignore: decorator
@inline
function dequantize(codes: v128, alphas: v128, offsets: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), alphas), offsets);
}

// @ts-ignore: decorator
@inline
function addLanes(x: v128): i32 {
  return i32x4.extract_lane(x, 0) + i32x4.extract_lane(x, 1) + i32x4.extract_lane(x, 2) + i32x4.extract_lane(x, 3);
}

// Sixteen bytes are two registers of eight i16, the even and the odd bytes, by a mask and a shift; one
// multiply-and-add-pairs (pmaddwd, smlal) each then accumulates in i32.

// @ts-ignore: decorator
@inline
function addProducts(sum: v128, qEven: v128, qOdd: v128, p: usize, evenMask: v128): v128 {
  const x = v128.load(p);
  const even = i32x4.dot_i16x8_s(qEven, v128.and(x, evenMask));
  return i32x4.add(i32x4.add(sum, even), i32x4.dot_i16x8_s(qOdd, i16x8.shr_u(x, 8)));
}

/** sum(query code * code) of the last codes, [p, end). */
// @ts-ignore: decorator
@inline
function dotTail(sum: v128, q: usize, p: usize, end: usize): i32 {
  let tail = addLanes(sum);
  for (; p < end; p++, q++) tail += <i32>load<u8>(q) * <i32>load<u8>(p);
  return tail;
}

/** target[row] = sum(query code * code), i32. `query` is one row of codes. Four rows share the query's two halves. */
export function dotInt8(query: usize, codes: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize): void {
  const evenMask = i16x8.splat(0xff);
  const bulk = <usize>dimension & ~15;
  const stride = <usize>strideBytes;
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    const a = codes;
    const b = a + stride;
    const c = b + stride;
    const d = c + stride;
    let sumA = i64x2.splat(0);
    let sumB = sumA;
    let sumC = sumA;
    let sumD = sumA;
    for (let i: usize = 0; i < bulk; i += 16) {
      const q = v128.load(query + i);
      const even = v128.and(q, evenMask);
      const odd = i16x8.shr_u(q, 8);
      sumA = addProducts(sumA, even, odd, a + i, evenMask);
      sumB = addProducts(sumB, even, odd, b + i, evenMask);
      sumC = addProducts(sumC, even, odd, c + i, evenMask);
      sumD = addProducts(sumD, even, odd, d + i, evenMask);
    }
    const q = query + bulk;
    store<i32>(target, dotTail(sumA, q, a + bulk, a + dimension));
    store<i32>(target, dotTail(sumB, q, b + bulk, b + dimension), 4);
    store<i32>(target, dotTail(sumC, q, c + bulk, c + dimension), 8);
    store<i32>(target, dotTail(sumD, q, d + bulk, d + dimension), 12);
    codes += stride << 2;
    target += 16;
  }
  for (; row < rows; row++) {
    let sum = i64x2.splat(0);
    for (let i: usize = 0; i < bulk; i += 16) {
      const q = v128.load(query + i);
      sum = addProducts(sum, v128.and(q, evenMask), i16x8.shr_u(q, 8), codes + i, evenMask);
    }
    store<i32>(target, dotTail(sum, query + bulk, codes + bulk, codes + dimension));
    codes += stride;
    target += 4;
  }
}

// @ts-ignore: decorator
@inline
function addSquares(sum: v128, q: v128, p: usize, evenMask: v128): v128 {
  const difference = i8x16.abs(i8x16.sub(q, v128.load(p)));
  const even = v128.and(difference, evenMask);
  const odd = i16x8.shr_u(difference, 8);
  return i32x4.add(i32x4.add(sum, i32x4.dot_i16x8_s(even, even)), i32x4.dot_i16x8_s(odd, odd));
}

/** sum((query code - code)^2) of the last codes, [p, end). */
// @ts-ignore: decorator
@inline
function squareTail(sum: v128, q: usize, p: usize, end: usize): i32 {
  let tail = addLanes(sum);
  for (; p < end; p++, q++) {
    const difference = <i32>load<u8>(q) - <i32>load<u8>(p);
    tail += difference * difference;
  }
  return tail;
}

/** target[row] = sum((query code - code)^2), i32. `query` is one row of codes. */
export function squaredL2Int8(
  query: usize, codes: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const evenMask = i16x8.splat(0xff);
  const bulk = <usize>dimension & ~15;
  const stride = <usize>strideBytes;
  let row: u32 = 0;
  for (; row + 4 <= rows; row += 4) {
    const a = codes;
    const b = a + stride;
    const c = b + stride;
    const d = c + stride;
    let sumA = i64x2.splat(0);
    let sumB = sumA;
    let sumC = sumA;
    let sumD = sumA;
    for (let i: usize = 0; i < bulk; i += 16) {
      const q = v128.load(query + i);
      sumA = addSquares(sumA, q, a + i, evenMask);
      sumB = addSquares(sumB, q, b + i, evenMask);
      sumC = addSquares(sumC, q, c + i, evenMask);
      sumD = addSquares(sumD, q, d + i, evenMask);
    }
    const q = query + bulk;
    store<i32>(target, squareTail(sumA, q, a + bulk, a + dimension));
    store<i32>(target, squareTail(sumB, q, b + bulk, b + dimension), 4);
    store<i32>(target, squareTail(sumC, q, c + bulk, c + dimension), 8);
    store<i32>(target, squareTail(sumD, q, d + bulk, d + dimension), 12);
    codes += stride << 2;
    target += 16;
  }
  for (; row < rows; row++) {
    let sum = i64x2.splat(0);
    for (let i: usize = 0; i < bulk; i += 16) sum = addSquares(sum, v128.load(query + i), codes + i, evenMask);
    store<i32>(target, squareTail(sum, query + bulk, codes + bulk, codes + dimension));
    codes += stride;
    target += 4;
  }
}
