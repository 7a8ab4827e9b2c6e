// float32 <-> bfloat16, the upper half of a float32: same exponents, 8 bits of precision.
//
//   float32    s eeeeeeee mmmmmmm mmmmmmmmmmmmmmmm
//   bfloat16   s eeeeeeee mmmmmmm
//
// Encode rounds to nearest even: with b = the bits of x, h = (b + 0x7fff + bit16(b)) >> 16. The carry walks through
// the exponent, so the largest values become infinity; subnormals need no care, having the same spacing rule. NaN
// would be carried into another value: it keeps its sign and upper payload and is made quiet. (Intel, "BFLOAT16 -
// Hardware Numerics Definition", 2018, with subnormals kept.) Decode is a shift and exact.
//
// Layout: `rows` rows of `dimension` elements, strides in bytes; padding of target rows is zeroed.
// Preconditions: strides >= the row's bytes; source and target do not overlap.

import { zeroPadding } from "./padding";

const ROUND: u32 = 0x7fff;
const ABS: u32 = 0x7fffffff;
const INFINITY_BITS: u32 = 0x7f800000;
const QUIET: u32 = 0x40;

// Vector constants are loaded, not splatted: V8 would rebuild a constant splat in each iteration.
const CONSTANTS = memory.data<u32>([
  ROUND, ROUND, ROUND, ROUND,
  1, 1, 1, 1,
], 16);

/** float32 rows -> bfloat16 rows. */
export function encodeBfloat16(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    encodeRow(source, dimension, target);
    zeroPadding(target + (<usize>dimension << 1), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** bfloat16 rows -> float32 rows. */
export function decodeBfloat16(
  source: usize, sourceStride: u32, rows: u32, dimension: u32, target: usize, targetStride: u32,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    decodeRow(source, dimension, target);
    zeroPadding(target + (<usize>dimension << 2), target + targetStride);
    source += sourceStride;
    target += targetStride;
  }
}

/** Four lanes without NaN; the result is in the lower half of each. */
// @ts-ignore: decorator
@inline
function encodeNumbers(x: v128, round: v128, one: v128): v128 {
  return i32x4.shr_u(i32x4.add(i32x4.add(x, round), v128.and(i32x4.shr_u(x, 16), one)), 16);
}

function encodeOne(bits: u32): u32 {
  if ((bits & ABS) > INFINITY_BITS) return (bits >>> 16) | QUIET;
  return (bits + ROUND + ((bits >>> 16) & 1)) >>> 16;
}

function encodeRow(source: usize, count: u32, target: usize): void {
  const round = v128.load(CONSTANTS, 0);
  const one = v128.load(CONSTANTS, 16);
  const end = target + (<usize>count << 1);
  for (; target + 32 <= end; target += 32, source += 64) {
    const x0 = v128.load(source);
    const x1 = v128.load(source, 16);
    const x2 = v128.load(source, 32);
    const x3 = v128.load(source, 48);
    // A sum with a NaN is NaN. Opposite infinities make one too: then the slow way is taken in vain, and is right.
    const sum = f32x4.add(f32x4.add(x0, x1), f32x4.add(x2, x3));
    if (v128.any_true(f32x4.ne(sum, sum))) {
      for (let i: usize = 0; i < 32; i += 2) store<u16>(target + i, <u16>encodeOne(load<u32>(source + (i << 1))));
    } else {
      v128.store(target, i16x8.narrow_i32x4_u(encodeNumbers(x0, round, one), encodeNumbers(x1, round, one)));
      v128.store(target, i16x8.narrow_i32x4_u(encodeNumbers(x2, round, one), encodeNumbers(x3, round, one)), 16);
    }
  }
  for (; target < end; target += 2, source += 4) store<u16>(target, <u16>encodeOne(load<u32>(source)));
}

/**
 * The first and the last four of eight bfloat16 as float32, each the upper half of a lane: zeros and elements interleaved,
 * which is one instruction.
 */
// @ts-ignore: decorator
@inline
function widenLow(x: v128): v128 {
  return v128.shuffle<i16>(i64x2.splat(0), x, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function widenHigh(x: v128): v128 {
  return v128.shuffle<i16>(i64x2.splat(0), x, 4, 12, 5, 13, 6, 14, 7, 15);
}

function decodeRow(source: usize, count: u32, target: usize): void {
  const end = target + (<usize>count << 2);
  for (; target + 64 <= end; target += 64, source += 32) {
    const low = v128.load(source);
    const high = v128.load(source, 16);
    v128.store(target, widenLow(low));
    v128.store(target, widenHigh(low), 16);
    v128.store(target, widenLow(high), 32);
    v128.store(target, widenHigh(high), 48);
  }
  for (; target < end; target += 4, source += 2) store<u32>(target, <u32>load<u16>(source) << 16);
}

/**
 * target[row] = sum(query * row), float32; the query is float32. Eight lanes, element i in lane i mod 8, added as in
 * distance.ts; then the last dimension mod 16 elements one by one.
 */
export function scanBfloat16(
  query: usize, source: usize, strideBytes: u32, rows: u32, dimension: u32, target: usize,
): void {
  const bulk = <usize>dimension & ~15;
  for (let row: u32 = 0; row < rows; row++) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let q = query;
    let p = source;
    for (const end = source + (bulk << 1); p < end; p += 32, q += 64) {
      const low = v128.load(p);
      const high = v128.load(p, 16);
      sum0 = f32x4.add(sum0, f32x4.mul(v128.load(q), widenLow(low)));
      sum1 = f32x4.add(sum1, f32x4.mul(v128.load(q, 16), widenHigh(low)));
      sum0 = f32x4.add(sum0, f32x4.mul(v128.load(q, 32), widenLow(high)));
      sum1 = f32x4.add(sum1, f32x4.mul(v128.load(q, 48), widenHigh(high)));
    }
    const sum = f32x4.add(sum0, sum1);
    const pair = f32x4.add(sum, v128.shuffle<f64>(sum, sum, 1, 0));
    let total = f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
    for (const end = source + (<usize>dimension << 1); p < end; p += 2, q += 4) {
      total += load<f32>(q) * reinterpret<f32>(<u32>load<u16>(p) << 16);
    }
    store<f32>(target, total);
    source += strideBytes;
    target += 4;
  }
}
